// JobService on the driver's side: gRPC calls → JobHandlers.
import type { sendUnaryData, ServerReadableStream, ServerUnaryCall, ServerWritableStream, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import { TidemarkError } from '@tidemark/base'
import { createHash } from 'node:crypto'
import { serve } from './channel.ts'
import type { Serving, Tls } from './channel.ts'
import type { CancelMode, JobEvent, JobHandlers, SubmitAnswer, SubmitRequest, WatchRequest } from './jobs.ts'
import { jobMethods } from './services.ts'
import type { SubmitChunk } from './services.ts'
import { toStatus } from './status.ts'

/** One object of the store holds it. */
const BUNDLE_BYTES_MAX = 32 * 1024 * 1024

const damaged = (message: string): TidemarkError =>
  new TidemarkError(message, { code: 'JOB_BUNDLE_DAMAGED', blame: 'environment', action: 'retry', hint: 'Submit again.' })

/** Reads header and bundle, and checks length and hash of what arrived. */
const readSubmission = async (call: AsyncIterable<SubmitChunk>): Promise<SubmitRequest> => {
  const parts: Buffer[] = []
  let header: Extract<SubmitChunk, { readonly header: unknown }>['header'] | undefined
  let bytes = 0
  for await (const chunk of call) {
    if ('header' in chunk) {
      if (header) throw damaged('a second header came')
      header = chunk.header
      if (header.bundleBytes > BUNDLE_BYTES_MAX)
        throw new TidemarkError(`the bundle has ${header.bundleBytes} bytes, ${BUNDLE_BYTES_MAX} are allowed`, { code: 'JOB_BUNDLE_TOO_LARGE', blame: 'user', action: 'exit', hint: 'Leave data files out of the bundle; read them through a source.' })
    } else {
      if (!header) throw damaged('bundle bytes came before the header')
      bytes += chunk.bundle.length
      if (bytes > header.bundleBytes) throw damaged(`more than the ${header.bundleBytes} bytes announced came`)
      parts.push(chunk.bundle)
    }
  }
  if (!header) throw damaged('no header came')
  const bundle = Buffer.concat(parts)
  if (bundle.length !== header.bundleBytes || createHash('sha256').update(bundle).digest('hex') !== header.bundleSha256)
    throw damaged(`${bundle.length} bytes came, ${header.bundleBytes} with another hash were announced`)
  return { plan: header.plan, bundle, ...(header.fromCheckpoint === undefined ? {} : { fromCheckpoint: header.fromCheckpoint }), ...(header.submissionId === undefined ? {} : { submissionId: header.submissionId }) }
}

const answering = <Response>(answer: sendUnaryData<Response>, work: () => Promise<Response>): void => {
  work().then((response) => answer(null, response), (error: unknown) => answer(toStatus(error)))
}

export const jobService = (handlers: JobHandlers): { readonly methods: ServiceDefinition, readonly handlers: UntypedServiceImplementation } => ({
  methods: jobMethods,
  handlers: {
    Submit: (call: ServerReadableStream<SubmitChunk, SubmitAnswer>, answer: sendUnaryData<SubmitAnswer>) => answering(answer, async () => handlers.submit(await readSubmission(call))),
    List: (_call: ServerUnaryCall<object, object>, answer: sendUnaryData<object>) => answering(answer, async () => ({ jobs: await handlers.list(), damaged: await handlers.damaged?.() ?? [] })),
    Describe: (call: ServerUnaryCall<{ job: string }, object>, answer: sendUnaryData<object>) => answering(answer, async () => ({ job: await handlers.describe(call.request.job) })),
    Cancel: (call: ServerUnaryCall<{ job: string, mode: CancelMode }, object>, answer: sendUnaryData<object>) => answering(answer, () => handlers.cancel(call.request.job, call.request.mode)),
    WatchEvents: (call: ServerWritableStream<WatchRequest, JobEvent>) => {
      const gone = new AbortController()
      call.on('cancelled', () => gone.abort())
      handlers.watchEvents(call.request, (event) => void call.write(event), gone.signal).then(() => call.end(), (error: unknown) => call.emit('error', toStatus(error)))
    },
  },
})

export const serveJobs = ({ address, jobs, tls }: { readonly address: string, readonly jobs: JobHandlers, readonly tls?: Tls }): Promise<Serving> => serve(address, [jobService(jobs)], tls)
