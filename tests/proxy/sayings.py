"""What clients ask on their own account, by their first words, and what people ask that sounds alike."""

OPEN_WEBUI = [
    "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history.\n### Output:",
    "### Task:\nGenerate 1-3 broad tags categorizing the main themes of the chat history, and subtopics",
    "### Task:\nSuggest 3-5 relevant follow-up questions or prompts that the user might naturally ask next …",
    "### Task:\nAnalyze the chat history to determine the necessity of generating search queries, in the",
    "### Task:\nYou are an autocompletion system. Continue the text in `<text>`",
    "### Task:\nGenerate a detailed prompt for an image.\n### Chat History:\n<chat_history>\nUSER: a cat\n"
    "</chat_history>",
    "Create a concise, 3-5 word phrase with an emoji as a title for the previous query.",
    "Your task is to reflect the speaker's likely facial expression through a fitting emoji.",
    'You have been provided with a set of responses from various models to the latest user query: "x"',
    'Query: History:\nUSER: """hello"""\nASSISTANT: """hi"""\nQuery: which port?',
    'History:\nUSER: """hello"""\nQuery: which port?',
]
LIBRECHAT = [
    "Provide a concise, 5-word-or-less title for the conversation, using title case conventions. Only return "
    "the title itself.\n\nConversation:\nUser: hello\nAI: hi",
    "Analyze this conversation and provide:\n1. The detected language of the conversation\n2. A title",
    "Please generate a concise title (max 40 characters) for a conversation that starts with:\nUser: hello",
]
AGENTS = [
    # Zed
    "Generate a concise 3-7 word title for this conversation, omitting punctuation. Go straight to it.",
    "Generate a detailed summary of this conversation. Include:\n1. A brief overview of what was discussed",
    # opencode
    "Generate a title for this conversation:\n",
    "Provide a detailed prompt for continuing our conversation above. Focus on information that would help.",
    "Provide a detailed but concise summary of our conversation above. Focus on what was done.",
    # Continue
    "Given the following... please reply with a title for the chat that is 3-4 words in length, all words …",
    # Claude Code and Cline
    "Please write a 5-10 word title for the following conversation:\n\nUser: hello",
    "Your task is to create a detailed summary of the conversation so far, paying close attention to …",
    "Based on the above conversation, generate a short title for the session.",
    "Summarize this coding conversation in under 50 characters.\nCapture the main task.",
    # LangChain's question condenser
    "Given the following conversation and a follow up question, rephrase it to be a standalone question.",
    # LobeChat
    "<chat_history>\n<user>hello</user>\n</chat_history>\n\nPlease summarize the above conversation.",
    "Classify the following message as a question or a statement:\nhello",
    "Suggest tags for this conversation.",
]
GOING_ON = [
    "Continue if you have next steps, or stop and ask for clarification.",
    "This session is being continued from a previous conversation that ran out of context.",
]
TOOL_RESULTS = [
    "[ERROR] You did not use a tool in your previous response! Please retry with a tool use.",
    "[read_file for 'src/main.py'] Result:\n<content>print(1)</content>",
    "[execute_command for 'ls -la'] Result:\nCommand executed.",
    "[attempt_completion] Result:\nThe user has feedback.",
]
CHORES = [*OPEN_WEBUI, *LIBRECHAT, *AGENTS, *GOING_ON, *TOOL_RESULTS]

# What stands in the instructions of a chore.
INSTRUCTED = [
    # opencode, crush, LobeChat, LibreChat, Claude Code, aider, Zed
    "You are a title generator. You output ONLY a thread title. Nothing else.\n\n<task>\nGenerate",
    "You will generate a short title based on the first message a user begins a conversation with.",
    "You are a professional conversation summarizer. Generate a concise title that captures the essence.",
    "You're an assistant who's good at extracting key takeaways from conversations and summarizing them.",
    "You are a helpful AI assistant tasked with summarizing conversations.\n\nFocus on what was done.",
    "You are an assistant that generates short, descriptive titles for chat conversations.",
    "You are a conversation title generator. Output ONLY a short title.",
    "Generate a concise 3-7 word title for this coding session. Describe the overall topic.",
    "Generate a concise, 3-5 word title for a conversation that starts with this user message.",
    "Analyze if this message indicates a new conversation topic. If it does, extract a 2-3 word title.",
    "Summarize this coding conversation in under 50 characters.",
    "Extract any file paths that this command reads or modifies.",
    "*Briefly* summarize this partial conversation about programming.",
    "You are an expert software engineer that generates concise, one-line Git commit messages.",
    "You are an expert at writing Git commits. Your job is to write a short clear commit message.",
    "You are an intent classifier. Answer with one word.",
    "Act as a classifier of support requests.",
]

QUESTIONS = [
    "Continue with the next steps of the plan.",
    "History: who built the first pump?",
    "Extract the file paths from this log.",
    "How do I roll back a deployment of the shop?",
    "write a summary of chapter 3",
    "add a title to the page",
    "why is the session title empty?",
    "Why does the title generator of the blog crash on an empty post?",
    "Generate a title for each chat in the sidebar.",
    "Generate a title tag for this page.",
    "Create a title component for the chat.",
    "Create a title for the chat window of the app.",
    "Write a summary of the session management module.",
    "Write a summary of the conversation handling code in server.py.",
    "Provide a summary of the error messages in the log.",
    "Summarize the session.py file.",
    "Summarize the thread pool's settings.",
    "Summarize this article about sleep.",
    "Create a summary of the thread that crashed? No: tell me which one did.",
    "Suggest tags for the blog post about pumps.",
    "Classify the errors in this log.",
    "Classify the message types in protocol.py.",
    "How do I classify the following messages with scikit-learn?",
    "Make a title page for the thesis.",
    "Give the session store a name.",
    "What did we say about titles in the last conversation?",
    "In the last session you wrote a summary of the conversation; where is it?",
    "You generated a title for this conversation yesterday. Which one?",
    "Provide a detailed prompt for an image of a pump.",
    "Analyze this conversation log and tell me who was rude.",
    "Explain the chat_history table; <chat_history> is its XML form.",
    "### Task:\nFix the login bug.\n### Output:\nA patch.",
    "### Task:\nRespond to the user query using the provided context.\n<context>\n</context>\n\nWhich port?",
    "User: and assistant: are the roles, which one comes first?",
    "[ERROR] disk full, what now?",
    "[main] Result: 4, but I expected 5.",
    "Scratchpad directory or /tmp, which one is better?",
    "¿Qué puerto usa el servicio?",
]

# Instructions of conversations.
PERSONAS = [
    "You are a helpful assistant.",
    "You are Cline, a highly skilled software engineer with extensive knowledge in many languages.",
    "You are opencode, an interactive CLI tool that helps users with software engineering tasks.",
    "You are a support agent of a chat app. At the end, write a summary of the conversation.",
    "Act as an expert software engineer. Always write commit messages in the imperative.",
    "You are a coding agent. Name each session by a title. Keep the session short.",
    "You are an editor who writes titles for articles.",
    "You are a teacher of machine learning. Explain what a classifier is.",
    "# Rules\n- Generate a title for each file.\n- Summarize the conversation when asked.",
    "Answer from the session notes and give a summary of them.",
    "User Context:\nThe user's name is Ana.",
]
