// One call to the store = a few attempts within one deadline. The client library has no time-outs at all, and its own retry repeats a
// conditional put without telling; both are done here instead.
import { AsyncLocalStorage } from 'node:async_hooks'
import http from 'node:http'
import https from 'node:https'
import { ExponentialBackoff, handleWhen, retry } from 'cockatiel'
import { isTidemarkError, TidemarkError } from '@tidemark/base'
import type { Clock, Logger } from '@tidemark/base'
import type { FailedRequest } from './store-errors.ts'
import { RETRYABLE_STATUS, toStoreError, unavailable } from './store-errors.ts'

const SOCKETS_MAX = 16
const RETRIES_MAX = 4
const FIRST_PAUSE_MS = 50
const PAUSE_MAX_MS = 1_000
/** A connection that stays silent for this part of the deadline is given up, so that another attempt fits in. */
const SILENCE_PART = 0.4

/** Facts of the call in which a request is made; the transport finds them by the asynchronous context. */
interface CallFacts {
  readonly signal: AbortSignal
  /** Of the last answer; undefined when the last request had none. */
  status: number | undefined
}

export interface Calls {
  readonly transport: { readonly request: typeof http.request }
  readonly agent: http.Agent
  /** Runs `attempt` until it answers, within the deadline. Rejects with a TidemarkError, `STORE_UNAVAILABLE` at the latest at the deadline. */
  run<T>(what: string, attempt: (facts: CallFacts) => Promise<T>): Promise<T>
  close(): void
}

export const makeCalls = (options: { readonly store: string, readonly secure: boolean, readonly deadlineMs: number, readonly clock: Clock, readonly logger: Logger }): Calls => {
  const { store, secure, deadlineMs, clock, logger } = options
  const current = new AsyncLocalStorage<CallFacts>()
  const agent = new (secure ? https : http).Agent({ keepAlive: true, maxSockets: SOCKETS_MAX })
  const policy = retry(handleWhen((error) => isTidemarkError(error) && error.code === 'STORE_UNAVAILABLE'), {
    maxAttempts: RETRIES_MAX, backoff: new ExponentialBackoff({ initialDelay: FIRST_PAUSE_MS, maxDelay: PAUSE_MAX_MS }),
  })
  const underWay = new Set<AbortController>()
  let closed = false

  const request = (settings: http.RequestOptions, answered: (response: http.IncomingMessage) => void): http.ClientRequest => {
    const facts = current.getStore()
    if (facts) facts.status = undefined
    const made = (secure ? https : http).request({ ...settings, timeout: deadlineMs * SILENCE_PART, ...(facts ? { signal: facts.signal } : {}) }, (response) => {
      if (facts) facts.status = response.statusCode
      // The client drops these answers unread, which would keep their sockets for ever.
      if (response.statusCode !== undefined && RETRYABLE_STATUS.has(response.statusCode)) response.resume()
      answered(response)
    })
    made.on('timeout', () => made.destroy(Object.assign(new Error(`no sign of life for ${Math.round(deadlineMs * SILENCE_PART)} ms`), { code: 'ETIMEDOUT' })))
    return made
  }

  return {
    agent,
    // The client calls only this one of the overloads.
    transport: { request: request as typeof http.request },

    run: async (what, attempt) => {
      if (closed) throw new TidemarkError(`${what}: ${store} is closed`, { code: 'STORE_CLOSED', blame: 'bug', action: 'exit' })
      const controller = new AbortController()
      const { signal } = controller
      const facts: CallFacts = { signal, status: undefined }
      const failed = (): FailedRequest => ({ what, store, status: facts.status })
      const timer = clock.after(deadlineMs, () => controller.abort(unavailable(failed(), `did not answer within ${deadlineMs} ms`)))
      underWay.add(controller)
      const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
      const tried = current.run(facts, () => policy.execute(async ({ attempt: tries }) => {
        signal.throwIfAborted()
        try {
          return await attempt(facts)
        } catch (error) {
          signal.throwIfAborted()
          const known = toStoreError(error, failed())
          if (known.code === 'STORE_UNAVAILABLE') logger.warn({ store, call: what, attempt: tries + 1, error: known.message }, 'store.attempt-failed')
          throw known
        }
      }, signal))
      try {
        return await Promise.race([tried, aborted])
      } finally {
        timer.cancel()
        underWay.delete(controller)
      }
    },

    close: () => {
      closed = true
      for (const controller of underWay) controller.abort(new TidemarkError(`${store} was closed during this call`, { code: 'STORE_CLOSED', blame: 'bug', action: 'exit' }))
      agent.destroy()
    },
  }
}
