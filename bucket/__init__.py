"""DATA_DIR in a bucket: what a person cannot make again, each content once, one manifest as the truth.

manifest.json                the files: path, size, sha256, mtime, and the push that brought the content
objects/<push>/<sha256>      the contents; what the manifest does not name is not there

with Bucket.at(Access(uri="s3://bucket/prefix")) as there:
    push(Home(data_dir, OURS), there)
"""
