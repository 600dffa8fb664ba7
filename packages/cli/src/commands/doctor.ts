// tidemark doctor: tries on the servers themselves what the guarantees stand on, and says what a person should know before production.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { asTidemarkError, silentLogger } from '@tidemark/base'
import type { Lease, Logger } from '@tidemark/base'
import { LEASE_FILE, LOG_FILE, STORE_FOLDER, withJobs } from '../context.ts'
import type { Context } from '../context.ts'
import { EXIT, exitCodeOf } from '../exit.ts'
import { table } from '../format/table.ts'

/** `warned`: it can be used, and a person should know. `refused`: nothing may run on it. `left out`: there is nothing to try. */
type State = 'ok' | 'warned' | 'refused' | 'unreached' | 'left out'

interface Finding {
  readonly what: 'log' | 'store' | 'lease' | 'driver'
  /** `kafka 127.0.0.1:9092` */
  readonly server: string
  readonly state: State
  readonly says: readonly string[]
  readonly code?: string
  readonly hint?: string
}

type Answer = Pick<Finding, 'state' | 'says'>

/** Long enough for the few commands of a trial; who ends in the middle lets go of it after that. */
const TRIAL_LEASE_MS = 10_000

const found = (proved: string, remarks: readonly string[]): Answer => remarks.length === 0 ? { state: 'ok', says: [proved] } : { state: 'warned', says: [proved, ...remarks] }
const leftOut = (why: string): Answer => ({ state: 'left out', says: [why] })

const examine = async (what: Finding['what'], server: string, attempt: () => Promise<Answer>): Promise<Finding> => {
  try {
    return { what, server, ...await attempt() }
  } catch (error) {
    const { code, message, hint } = asTidemarkError(error)
    return { what, server, state: exitCodeOf(error) === EXIT.unreachable ? 'unreached' : 'refused', says: [message], code, ...hint === undefined ? {} : { hint } }
  }
}

const examineLog = async (context: Context): Promise<Finding> => {
  const { servers: { kafka, folder } } = context
  return examine('log', kafka === undefined ? `local ${join(folder, LOG_FILE)}` : `kafka ${kafka}`, async () => {
    if (kafka === undefined && !existsSync(join(folder, LOG_FILE))) return leftOut('no embedded log here yet: a driver makes it')
    const remarks: string[] = []
    const logger: Logger = { ...silentLogger, warn: (_facts, event) => void (event === 'log.check_not_allowed' && remarks.push('a broker may not be asked for its settings with these rights: whether it verifies transactions is not known')) }
    const log = context.openLog(context.servers, logger)
    try {
      await log.check()
    } finally {
      await log.close()
    }
    return found(kafka === undefined ? 'SQLite is new enough' : 'every broker is 3.6 or newer, verifies transactions, and allows their time-out', remarks)
  })
}

const examineStore = async (context: Context): Promise<Finding> => {
  const { servers: { s3Endpoint, s3Bucket, folder } } = context
  return examine('store', s3Endpoint === undefined ? `local ${join(folder, STORE_FOLDER)}` : `${s3Endpoint}/${s3Bucket}`, async () => {
    if (s3Endpoint === undefined && !existsSync(join(folder, STORE_FOLDER))) return leftOut('no embedded store here yet: a driver makes it')
    const store = context.openStore(context.servers)
    try {
      await store.check()
      return found('a conditional put is refused where an object is; what was put is read, and listed, at once', await store.remarks?.() ?? [])
    } finally {
      await store.close()
    }
  })
}

/** On a name of its own: whoever leads does not notice. */
const tryLease = async (lease: Lease): Promise<Answer> => {
  const held = await lease.acquire('doctor', TRIAL_LEASE_MS, 0)
  if (held === undefined) return leftOut('another doctor tries it at this moment')
  try {
    if (await lease.acquire('another', TRIAL_LEASE_MS, 0) !== undefined) return { state: 'refused', says: ['it was given twice'] }
    if (!await held.renew()) return { state: 'refused', says: ['it was lost at once'] }
  } finally {
    await held.release()
  }
  const next = await lease.acquire('doctor', TRIAL_LEASE_MS, held.epoch)
  await next?.release()
  return next !== undefined && next.epoch > held.epoch ? { state: 'ok', says: ['given once, renewed, let go, given again with a higher epoch'] } : { state: 'refused', says: ['after its release it was not given again with a higher epoch'] }
}

const examineLease = async (context: Context): Promise<Finding> => {
  const { servers } = context
  const file = join(servers.folder, LEASE_FILE)
  // Without what may stand before its host: a password.
  const server = servers.redis === undefined ? `local ${file}` : `redis ${servers.redis.replace(/^.*@|^[a-z]+:\/\//, '')}`
  return examine('lease', server, async () => {
    if (servers.redis === undefined && !existsSync(file)) return leftOut('no embedded lease here yet: a driver makes it')
    const lease = context.openLease(servers)
    try {
      const holder = await lease.holder()
      const leads = holder === undefined ? 'nobody leads' : `${holder} leads`
      if (servers.redis === undefined) return { state: 'ok', says: [leads] }
      const trial = context.openLease({ ...servers, leaseKey: `${servers.leaseKey}.doctor` })
      try {
        const { state, says } = await tryLease(trial)
        return { state, says: [...says, leads] }
      } finally {
        await trial.close()
      }
    } finally {
      await lease.close()
    }
  })
}

/** A cluster that is not started yet is no mistake. */
const examineDriver = async (context: Context): Promise<Finding> => {
  const finding = await examine('driver', context.servers.driver, async () => {
    const jobs = await withJobs(context, (client) => client.list())
    return found(`answers; jobs: ${jobs.length}`, [])
  })
  return finding.state === 'unreached' ? { ...finding, state: 'warned' } : finding
}

/** Resolves with the exit code: 0 nothing is refused or away, 1 something may not be used, 3 something was not reached. */
export const doctor = async (context: Context): Promise<number> => {
  const { terminal } = context
  const findings = await Promise.all([examineLog(context), examineStore(context), examineLease(context), examineDriver(context)])
  const is = (state: State): boolean => findings.some((finding) => finding.state === state)
  const exitCode = is('refused') ? EXIT.failed : is('unreached') ? EXIT.unreachable : EXIT.done
  if (context.json) terminal.json({ usable: exitCode === EXIT.done, findings })
  else {
    const rows = findings.flatMap(({ what, server, state, says, code, hint }) => [...says, ...hint === undefined ? [] : [hint]].map((sentence, at) => at === 0 ? [what, server, state, code === undefined ? sentence : `${code}: ${sentence}`] : ['', '', '', sentence]))
    for (const line of table([{ title: 'what' }, { title: 'server' }, { title: 'found' }, { title: 'says' }], rows)) terminal.line(line)
  }
  return exitCode
}
