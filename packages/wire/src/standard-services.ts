// The services that every gRPC client knows, beside our own: health (grpc.health.v1) and reflection (grpc.reflection.v1 and v1alpha).
import { status } from '@grpc/grpc-js'
import type { MethodDefinition, sendUnaryData, ServerDuplexStream, ServerUnaryCall, ServerWritableStream, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import { realClock } from '@tidemark/base'
import type { Clock } from '@tidemark/base'
import { repairDescriptor } from './descriptors.ts'
import { loaded } from './proto.ts'

export interface Served {
  readonly methods: ServiceDefinition
  readonly handlers: UntypedServiceImplementation
}

/** How soon a change is told to who watches. */
const WATCH_INTERVAL_MS = 500
const JOB_SERVICE = 'tidemark.v1.JobService'

type Health = 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN'

const healthOf = (service: string, leads: () => boolean): Health => {
  if (service === '') return 'SERVING'
  if (service !== JOB_SERVICE) return 'SERVICE_UNKNOWN'
  return leads() ? 'SERVING' : 'NOT_SERVING'
}

/** `leads`: whether clients are answered here rather than sent to another. */
export const healthService = (leads: () => boolean, clock: Clock = realClock): Served => ({
  methods: loaded['grpc.health.v1.Health'] as ServiceDefinition,
  handlers: {
    Check: ({ request }: ServerUnaryCall<{ readonly service: string }, object>, answer: sendUnaryData<object>) => {
      const health = healthOf(request.service, leads)
      if (health === 'SERVICE_UNKNOWN') answer({ code: status.NOT_FOUND, details: `there is no service ${JSON.stringify(request.service)}` })
      else answer(null, { status: health })
    },
    Watch: (call: ServerWritableStream<{ readonly service: string }, object>) => {
      let told: Health | undefined
      let timer: { cancel(): void } | undefined
      const tell = (): void => {
        const health = healthOf(call.request.service, leads)
        if (health !== told) call.write({ status: health })
        told = health
        timer = clock.after(WATCH_INTERVAL_MS, tell)
      }
      call.on('cancelled', () => timer?.cancel())
      tell()
    },
  },
})

interface ReflectionRequest {
  readonly fileByFilename?: string
  readonly fileContainingSymbol?: string
  readonly listServices?: string
  readonly messageRequest?: string
}

const V1 = 'grpc.reflection.v1.ServerReflection'

/** Services that a caller may ask for. */
const serviceNames = (): string[] => Object.entries(loaded).filter(([, definition]) => !('fileDescriptorProtos' in definition)).map(([name]) => name).toSorted()

/** Each file of a package knows all symbols of that package: proto-loader makes one file of one package. */
const filesOf = (symbol: string): readonly Buffer[] | undefined => {
  const service = Object.keys(loaded).filter((name) => symbol === name || symbol.startsWith(`${name}.`)).toSorted((a, b) => b.length - a.length)[0]
  const definition = service === undefined ? undefined : loaded[service]
  if (definition === undefined) return undefined
  if ('fileDescriptorProtos' in definition) return definition.fileDescriptorProtos as Buffer[]
  const [first] = Object.values(definition as ServiceDefinition) as (MethodDefinition<object, object> & { readonly requestType?: { readonly fileDescriptorProtos: Buffer[] } })[]
  return first?.requestType?.fileDescriptorProtos
}

const reflect = (request: ReflectionRequest): object => {
  if (request.listServices !== undefined) return { listServicesResponse: { service: serviceNames().map((name) => ({ name })) } }
  if (request.fileContainingSymbol === undefined) return { errorResponse: { errorCode: status.UNIMPLEMENTED, errorMessage: 'ask for a symbol, or for the list of services' } }
  const files = filesOf(request.fileContainingSymbol)
  return files === undefined
    ? { errorResponse: { errorCode: status.NOT_FOUND, errorMessage: `there is no symbol ${request.fileContainingSymbol}` } }
    : { fileDescriptorResponse: { fileDescriptorProto: files.map(repairDescriptor) } }
}

export const reflectionServices = (): Served[] => {
  const methods = loaded[V1] as ServiceDefinition
  const alpha = Object.fromEntries(Object.entries(methods).map(([name, method]) => [name, { ...method, path: method.path.replace('.v1.', '.v1alpha.') }]))
  const handlers = {
    ServerReflectionInfo: (call: ServerDuplexStream<ReflectionRequest, object>) => {
      call.on('data', (request: ReflectionRequest) => void call.write({ validHost: '', originalRequest: request, ...reflect(request) }))
      call.on('end', () => call.end())
      // Who hangs up is gone; there is nobody to tell.
      call.on('error', () => {})
    },
  }
  return [{ methods, handlers }, { methods: alpha, handlers }]
}
