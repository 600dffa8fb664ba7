// An error about a name that nobody has, with the name that was probably meant.
import { closest, isTidemarkError, TidemarkError } from '@tidemark/base'
import type { JobsClient } from '@tidemark/wire'
import { withDrivers } from './context.ts'
import type { Context, Drivers } from './context.ts'

/** Before what is to be done else; nothing where no name is near. */
export const didYouMean = (name: string, known: readonly string[], otherwise: string): string => {
  const near = closest(name, known)
  return near === undefined ? otherwise : `Did you mean ${near}? ${otherwise}`
}

/** A question about one job: where there is none of this name, the error says which is nearest. */
export const askAbout = <T>(drivers: Drivers, job: string, use: (jobs: JobsClient) => Promise<T>): Promise<T> => drivers.ask(async (client) => {
  try {
    return await use(client)
  } catch (error) {
    if (!isTidemarkError(error) || error.code !== 'JOB_UNKNOWN') throw error
    // That they can't be listed is no answer to the question.
    const there = await client.list().catch(() => [])
    const { message, blame, action, code, hint = '', details } = error
    throw new TidemarkError(message, { code, blame, action, job, details, cause: error.cause, hint: didYouMean(job, there.map((one) => one.job), hint) })
  }
})

/** For one question. */
export const withJob = <T>(context: Context, job: string, use: (jobs: JobsClient) => Promise<T>): Promise<T> => withDrivers(context, (drivers) => askAbout(drivers, job, use))
