# Submits what `tidemark build` wrote and prints events until its first task runs, knowing nothing but the driver's address.
# pip install grpcio grpcio-reflection; python3 examples/submit.py submit.ndjson [127.0.0.1:7400]
import json
import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

file, address = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1:7400"
channel = grpc.insecure_channel(address)
pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
methods = pool.FindServiceByName("tidemark.v1.JobService").methods_by_name


def call(kind, name):
    """The method of that name, and the class of its request."""
    request, response = (message_factory.GetMessageClass(side) for side in (methods[name].input_type, methods[name].output_type))
    path = f"/tidemark.v1.JobService/{name}"
    return getattr(channel, kind)(path, request_serializer=request.SerializeToString, response_deserializer=response.FromString), request


submit, Chunk = call("stream_unary", "Submit")
watch, Watch = call("unary_stream", "WatchEvents")
with open(file, encoding="utf-8") as lines:
    answer = submit((json_format.Parse(line, Chunk()) for line in lines), timeout=60)
print(answer.job, "run", answer.run, answer.outcome, flush=True)

# Of a job that ran already nothing new may happen. What is told first may be of runs before.
began = False
for event in [] if answer.outcome == "unchanged" else watch(Watch(job=answer.job, follow=True), timeout=60):
    began = began or (event.event == "job.started" and json.loads(event.facts)["run"] == answer.run)
    if began:
        print(event.sequence, event.event, event.message, flush=True)
    if began and event.event == "task.running":
        break
