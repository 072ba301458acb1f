"""One state machine recalls, and several mouths speak: retrieve → score_filter → augment → generate."""
