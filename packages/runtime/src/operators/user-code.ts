// What every call of user code has in common: a promise is refused.
import { TidemarkError } from '@tidemark/base'

/** What it was given, or throws `JOB_ASYNC_FUNCTION`, which stops the job whatever its policy: every record would be set aside. */
export const refusePromise = <T>(result: T, what: string): T => {
  if (typeof result === 'object' && result !== null && 'then' in result && typeof result.then === 'function') {
    if (result instanceof Promise) result.catch(() => {})
    throw new TidemarkError(`the function of ${what} answered a promise`, { code: 'JOB_ASYNC_FUNCTION', blame: 'user', action: 'fail-job', hint: 'User functions are synchronous: fetch what they need beforehand, or put it on a topic.' })
  }
  return result
}
