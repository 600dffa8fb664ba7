# Submits what `tidemark build` wrote to the driver that leads, and prints events until its first task runs; knows nothing but addresses.
# pip install grpcio grpcio-reflection; python3 examples/submit.py submit.ndjson [driver-1:7400,driver-2:7400]
import json
import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def method(channel, kind, name):
    """The method of that name of the driver there, and the class of its request."""
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    found = pool.FindServiceByName("tidemark.v1.JobService").methods_by_name[name]
    request, response = (message_factory.GetMessageClass(side) for side in (found.input_type, found.output_type))
    path = f"/tidemark.v1.JobService/{name}"
    return getattr(channel, kind)(path, request_serializer=request.SerializeToString, response_deserializer=response.FromString), request


refused = ["no driver took it:"]
for address in (sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1:7400").split(","):
    try:
        channel = grpc.insecure_channel(address)
        submit, Chunk = method(channel, "stream_unary", "Submit")
        with open(sys.argv[1], encoding="utf-8") as lines:
            answer = submit((json_format.Parse(line, Chunk()) for line in lines), timeout=60)
        break
    except grpc.RpcError as error:  # nobody there, or it does not lead: the next one
        refused.append(f"{address}: {error.details()}")
else:
    sys.exit("\n  ".join(refused))
print(answer.job, "run", answer.run, answer.outcome, flush=True)

# Of a job that ran already nothing new may happen. What is told first may be of runs before.
began = False
watch, Watch = method(channel, "unary_stream", "WatchEvents")
for event in [] if answer.outcome == "unchanged" else watch(Watch(job=answer.job, follow=True), timeout=60):
    began = began or (event.event == "job.started" and json.loads(event.facts)["run"] == answer.run)
    if began:
        print(event.sequence, event.event, event.message, flush=True)
    if began and event.event == "task.running":
        break
