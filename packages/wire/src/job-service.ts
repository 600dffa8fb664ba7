// JobService on the driver's side: gRPC calls → JobHandlers.
import type { sendUnaryData, ServerReadableStream, ServerUnaryCall, ServerWritableStream, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import { formatSize, realClock, TidemarkError } from '@tidemark/base'
import type { Clock } from '@tidemark/base'
import { createHash } from 'node:crypto'
import { serve } from './channel.ts'
import type { Serving, Tls } from './channel.ts'
import type { CancelMode, JobEvent, JobHandlers, SubmitAnswer, SubmitRequest, WatchRequest } from './jobs.ts'
import { jobMethods } from './services.ts'
import type { SubmitChunk } from './services.ts'
import { toStatus } from './status.ts'

/** One object of the store holds it. */
const BUNDLE_BYTES_MAX = 32 * 1024 * 1024
/** Between two messages of a submission. A client that has stopped, or was forgotten, would else hold what it has sent here for ever. */
const SILENCE_MS_MAX = 60_000

const damaged = (message: string): TidemarkError =>
  new TidemarkError(message, { code: 'JOB_BUNDLE_DAMAGED', blame: 'environment', action: 'retry', hint: 'Submit again.' })

type Header = Extract<SubmitChunk, { readonly header: unknown }>['header']

const stalled = (header: Header | undefined, bytes: number): TidemarkError =>
  new TidemarkError(`the client sent nothing for ${SILENCE_MS_MAX / 1_000} s in the middle of its submission: ${header === undefined ? 'not even the header came' : `${formatSize(bytes)} of the bundle's ${formatSize(header.bundleBytes)} came`}`, {
    code: 'JOB_SUBMISSION_STALLED', blame: 'environment', action: 'retry', hint: 'Nothing of it is stored. Submit again, and end the stream behind the last chunk.',
  })

/** Reads header and bundle, and checks length and hash of what arrived. `onMessage` is told how far it is. */
const readSubmission = async (call: AsyncIterable<SubmitChunk>, onMessage: (header: Header, bytes: number) => void): Promise<SubmitRequest> => {
  const parts: Buffer[] = []
  let header: Header | undefined
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
    onMessage(header, bytes)
  }
  if (!header) throw damaged('no header came')
  const bundle = Buffer.concat(parts)
  if (bundle.length !== header.bundleBytes || createHash('sha256').update(bundle).digest('hex') !== header.bundleSha256)
    throw damaged(`${bundle.length} bytes came, ${header.bundleBytes} with another hash were announced`)
  return { plan: header.plan, bundle, ...(header.fromCheckpoint === undefined ? {} : { fromCheckpoint: header.fromCheckpoint }), ...(header.submissionId === undefined ? {} : { submissionId: header.submissionId }) }
}

/** `JOB_SUBMISSION_STALLED` once the client has been silent for too long; the rest of the call is let go when that is answered. */
const readInTime = async (call: AsyncIterable<SubmitChunk>, clock: Clock): Promise<SubmitRequest> => {
  const silence = Promise.withResolvers<never>()
  const wait = (header: Header | undefined, bytes: number) => clock.after(SILENCE_MS_MAX, () => silence.reject(stalled(header, bytes)))
  let timer = wait(undefined, 0)
  try {
    return await Promise.race([silence.promise, readSubmission(call, (header, bytes) => {
      timer.cancel()
      timer = wait(header, bytes)
    })])
  } finally {
    timer.cancel()
  }
}

const answering = <Response>(answer: sendUnaryData<Response>, work: () => Promise<Response>): void => {
  work().then((response) => answer(null, response), (error: unknown) => answer(toStatus(error)))
}

export const jobService = (handlers: JobHandlers, clock: Clock = realClock): { readonly methods: ServiceDefinition, readonly handlers: UntypedServiceImplementation } => ({
  methods: jobMethods,
  handlers: {
    Submit: (call: ServerReadableStream<SubmitChunk, SubmitAnswer>, answer: sendUnaryData<SubmitAnswer>) => answering(answer, async () => handlers.submit(await readInTime(call, clock))),
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

export const serveJobs = ({ address, jobs, tls, clock }: { readonly address: string, readonly jobs: JobHandlers, readonly tls?: Tls, readonly clock?: Clock }): Promise<Serving> => serve(address, [jobService(jobs, clock)], tls)
