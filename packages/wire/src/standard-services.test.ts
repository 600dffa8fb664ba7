// Health and reflection over real sockets.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { Client } from '@grpc/grpc-js'
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'
import descriptor from 'protobufjs/ext/descriptor/index.js'
import { CHANNEL_OPTIONS, clientCredentials } from './channel.ts'
import { serveCluster } from './index.ts'
import type { Serving } from './index.ts'
import { loaded } from './proto.ts'

let leads = false
let serving: Serving
let client: Client
beforeEach(async () => {
  leads = false
  serving = await serveCluster({ address: '127.0.0.1:0', onConnect: () => {}, leads: () => leads })
  client = new Client(serving.address, clientCredentials(undefined), CHANNEL_OPTIONS)
})
afterEach(async () => {
  client.close()
  await serving.close()
})

const methodOf = (service: string, name: string): MethodDefinition<object, object> => (loaded[service] as ServiceDefinition)[name] as MethodDefinition<object, object>
const HEALTH = 'grpc.health.v1.Health'

const check = (service: string): Promise<object> => new Promise((resolve, reject) => {
  const { path, requestSerialize, responseDeserialize } = methodOf(HEALTH, 'Check')
  client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, (error, answer) => error ? reject(error) : resolve(answer ?? {}))
})

interface Reflected {
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] }
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Buffer[] }
  readonly errorResponse?: { readonly errorCode: number }
}
const reflect = async (request: object, version = 'v1'): Promise<Reflected> => {
  const { path, requestSerialize, responseDeserialize } = methodOf('grpc.reflection.v1.ServerReflection', 'ServerReflectionInfo')
  const call = client.makeBidiStreamRequest(path.replace('.v1.', `.${version}.`), requestSerialize, responseDeserialize)
  call.write(request)
  call.end()
  for await (const answer of call) return answer as Reflected
  throw new Error('no answer came')
}

describe('health', () => {
  test('health, the process → SERVING; JobService → only where it leads; another → NOT_FOUND', async () => {
    expect(await check('')).toEqual({ status: 'SERVING' })
    expect(await check('tidemark.v1.JobService')).toEqual({ status: 'NOT_SERVING' })
    leads = true
    expect(await check('tidemark.v1.JobService')).toEqual({ status: 'SERVING' })
    await expect(check('nothing')).rejects.toMatchObject({ code: 5 })
  })

  test('health, watched → told now and when it changes', async () => {
    const { path, requestSerialize, responseDeserialize } = methodOf(HEALTH, 'Watch')
    const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service: 'tidemark.v1.JobService' })
    call.on('error', () => {})
    const seen: object[] = []
    for await (const answer of call) {
      seen.push(answer as object)
      leads = true
      if (seen.length === 2) break
    }
    call.cancel()
    expect(seen).toEqual([{ status: 'NOT_SERVING' }, { status: 'SERVING' }])
  })
})

describe('reflection', () => {
  test.each(['v1', 'v1alpha'])('reflection %s, list → every service that is served', async (version) => {
    const { listServicesResponse } = await reflect({ listServices: '' }, version)
    expect(listServicesResponse?.service.map(({ name }) => name)).toEqual([HEALTH, 'grpc.reflection.v1.ServerReflection', 'tidemark.v1.ClusterService', 'tidemark.v1.JobService', 'tidemark.v1.ProbeService'])
  })

  test.each(['tidemark.v1.JobService', 'tidemark.v1.JobService.Submit', 'tidemark.v1.SubmitChunk'])('reflection, %s → its file, with map entries that every protobuf takes', async (symbol) => {
    const [file] = (await reflect({ fileContainingSymbol: symbol })).fileDescriptorResponse?.fileDescriptorProto ?? []
    const text = JSON.stringify(descriptor.FileDescriptorProto.decode(file ?? Buffer.alloc(0)))
    expect(text).toContain('"SubmitChunk"')
    expect(text).toContain('"TotalsEntry"')
    expect(text).not.toContain('"Totals"')
  })

  test('reflection, a symbol that is not there → NOT_FOUND; a file by name → UNIMPLEMENTED', async () => {
    expect((await reflect({ fileContainingSymbol: 'tidemark.v1.Nothing' })).errorResponse?.errorCode).toBe(5)
    expect((await reflect({ fileByFilename: 'x.proto' })).errorResponse?.errorCode).toBe(12)
  })
})
