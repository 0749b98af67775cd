"""Signs folders and verifies their signatures with OpenSSF's model-signing.

Reads {"folder", "private", "public", "signature", "out"}; writes {"verified": "" or why
not}, and what it signs itself to out.
"""

import json
import pathlib
import sys

import model_signing.signing
import model_signing.verifying


def main():
    task = json.load(sys.stdin)
    reason = ""
    try:
        model_signing.verifying.Config().use_elliptic_key_verifier(
            public_key=pathlib.Path(task["public"])
        ).verify(pathlib.Path(task["folder"]), pathlib.Path(task["signature"]))
    except Exception as e:  # every refusal is an answer
        reason = f"{type(e).__name__}: {e}"
    if task["out"]:
        model_signing.signing.Config().use_elliptic_key_signer(
            private_key=pathlib.Path(task["private"])
        ).sign(pathlib.Path(task["folder"]), pathlib.Path(task["out"]))
    json.dump({"verified": reason}, sys.stdout)


main()
