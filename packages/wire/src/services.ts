// proto/ loaded and typed: each method of each service with serialisers that speak plain, checked values.
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'
import { driverMessage, executorMessage } from './codec/cluster.ts'
import { message, text } from './codec/fields.ts'
import type { Field } from './codec/fields.ts'
import { cancelAnswer, cancelRequest, describeAnswer, jobEvent, jobList, jobName, nothing, submitAnswer, submitHeader, watchRequest } from './codec/jobs.ts'
import type { SubmitHeader } from './codec/jobs.ts'
import { loaded } from './proto.ts'

type AnyMethod = MethodDefinition<object, object>

const method = <Request, Response>(service: string, name: string, request: Field<Request>, response: Field<Response>): MethodDefinition<Request, Response> => {
  const plain = (loaded[`tidemark.v1.${service}`] as ServiceDefinition | undefined)?.[name] as AnyMethod | undefined
  if (!plain) throw new Error(`proto/tidemark/v1 has no ${service}.${name}`)
  return {
    path: plain.path, requestStream: plain.requestStream, responseStream: plain.responseStream, originalName: name,
    requestSerialize: (value) => plain.requestSerialize(request.toWire(value) as object),
    requestDeserialize: (bytes) => request.fromWire(plain.requestDeserialize(bytes), name),
    responseSerialize: (value) => plain.responseSerialize(response.toWire(value) as object),
    responseDeserialize: (bytes) => response.fromWire(plain.responseDeserialize(bytes), name),
  }
}

export type SubmitChunk = { readonly header: SubmitHeader } | { readonly bundle: Buffer }
const submitChunk: Field<SubmitChunk> = {
  toWire: (chunk) => 'header' in chunk ? { header: submitHeader.toWire(chunk.header) } : chunk,
  fromWire: (raw, path) => {
    const { header, bundle } = raw as { readonly header?: unknown, readonly bundle?: Buffer }
    return bundle ? { bundle } : { header: submitHeader.fromWire(header, `${path}.header`) }
  },
}

export const clusterMethods = { Connect: method('ClusterService', 'Connect', executorMessage, driverMessage) }
export const probeMethods = { Identify: method('ProbeService', 'Identify', nothing, message<{ readonly executor: string }>({ executor: text() })) }
export const jobMethods = {
  Submit: method('JobService', 'Submit', submitChunk, submitAnswer),
  List: method('JobService', 'List', nothing, jobList),
  Describe: method('JobService', 'Describe', jobName, describeAnswer),
  Cancel: method('JobService', 'Cancel', cancelRequest, cancelAnswer),
  WatchEvents: method('JobService', 'WatchEvents', watchRequest, jobEvent),
}
