"""Computes models with LightGBM and ONNX Runtime.

Input: a list of jobs, {"kind": "lightgbm" | "onnx", "model": file, "inputs": {name: {"file",
"dims"}}}. Inputs are raw little-endian values, float64 for LightGBM and float32 for ONNX.
Output: a list of {"columns", "operators", "output"}: the names of the columns (LightGBM) or
of the operators (ONNX), and the file of raw values, of the type of the inputs.

A model of ONNX is checked first, and computed from its bytes alone, so that data beside
the file would be missed; that it names none is checked as well.
"""

import json
import sys

import numpy
import onnx
import onnxruntime


def tensors(message):
    """Every tensor anywhere in a protobuf message."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                yield from tensors(part)


def compute_lightgbm(job):
    import lightgbm

    model = lightgbm.Booster(model_file=job["model"])
    spec = job["inputs"]["rows"]
    rows = numpy.fromfile(spec["file"], "<f8").reshape(spec["dims"])
    return {"columns": model.feature_name()}, model.predict(rows, raw_score=True, num_threads=1).astype("<f8")


def compute_onnx(job):
    with open(job["model"], "rb") as f:
        data = f.read()
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    for t in tensors(model):
        if t.data_location == onnx.TensorProto.EXTERNAL or t.external_data:
            sys.exit(f"{job['model']}: the tensor {t.name!r} lies outside the file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    feeds = {k: numpy.fromfile(v["file"], "<f4").reshape(v["dims"]) for k, v in job["inputs"].items()}
    outputs = session.run(None, feeds)
    names = [o.name for o in session.get_outputs()]
    if len(names) != 1 and names != ["prediction", "response"]:
        sys.exit(f"{job['model']}: outputs {names}, expected one, or prediction and response")
    return {"operators": sorted({n.op_type for n in model.graph.node})}, outputs[0].astype("<f4")


def main():
    results = []
    for i, job in enumerate(json.load(sys.stdin)):
        result, values = {"lightgbm": compute_lightgbm, "onnx": compute_onnx}[job["kind"]](job)
        result["output"] = f"{next(iter(job['inputs'].values()))['file']}.{i}.out"
        values.tofile(result["output"])
        results.append(result)
    json.dump(results, sys.stdout)


main()
