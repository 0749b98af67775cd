"""Reads what lies beside a bundle with tools that know the formats.

Reads {"folder", "public", "hint"}; writes {"envelope", "statement", "provenance", "sbom"}, each
"" or why it was refused, with {"subjects", "components", "byproducts"} of what was read.
"""

import base64
import json
import pathlib
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from packageurl import PackageURL
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey


def refusal(check):
    try:
        check()
    except Exception as e:  # every refusal is an answer
        return f"{type(e).__name__}: {e}"
    return ""


def main():
    task = json.load(sys.stdin)
    folder = pathlib.Path(task["folder"])
    raw = json.loads((folder / "provenance.intoto.json").read_text())
    payload = json.loads(base64.b64decode(raw["payload"]))
    answer = {"subjects": {}, "components": [], "byproducts": {}}

    def envelope():
        key = SSlibKey.from_crypto(load_pem_public_key(pathlib.Path(task["public"]).read_bytes()), task["hint"])
        Envelope.from_dict(raw).verify([key], 1)

    def statement():
        s = Statement.copy_from_pb(json_format.ParseDict(payload, statement_pb2.Statement()))
        s.validate()
        answer["subjects"] = {r.name: r.digest["sha256"] for r in s.pb.subject}

    def provenance():
        p = json_format.ParseDict(payload["predicate"], provenance_pb2.Provenance())
        if not (p.build_definition.build_type and p.run_details.builder.id and p.build_definition.HasField("external_parameters")):
            raise ValueError("a field that SLSA requires is missing")
        for d in p.build_definition.resolved_dependencies:
            if d.uri:
                PackageURL.from_string(d.uri)
        answer["byproducts"] = {r.name: r.digest["sha256"] for r in p.run_details.byproducts}

    def sbom():
        text = (folder / "sbom.cdx.json").read_text()
        wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
        if wrong is not None:
            raise ValueError(wrong)
        bom = Bom.from_json(json.loads(text))
        bom.validate()
        answer["components"] = sorted(c.purl.to_string() for c in bom.components if c.purl)

    for check in (envelope, statement, provenance, sbom):
        answer[check.__name__] = refusal(check)
    json.dump(answer, sys.stdout)


main()
