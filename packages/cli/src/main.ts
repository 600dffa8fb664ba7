// The command line: what each command is called and takes. Opens the real log and driver for them.
import { join } from 'node:path'
import { styleText } from 'node:util'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { checkAccess, checkDriverSettings, checkExecutorSettings, CLI_SETTINGS, describeError, DRIVER_SETTINGS, EXECUTOR_SETTINGS, flagOf, isTidemarkError, kafkaAccess, misspelled, readSettings, realClock, settingsInvalid, silentLogger } from '@tidemark/base'
import type { Lease, Log, Logger, ObjectStore, SettingSpecs } from '@tidemark/base'
import { openRedisLease } from '@tidemark/lease-redis'
import { openKafkaLog } from '@tidemark/log-kafka'
import { localLease, openLocalLog } from '@tidemark/log-local'
import { openLocalStore } from '@tidemark/store-local'
import { openMinioStore } from '@tidemark/store-minio'
import { jobsClient } from '@tidemark/wire'
import { auditJob } from './commands/audit.ts'
import { buildJob } from './commands/build.ts'
import { configRows, showConfig } from './commands/config.ts'
import { runDemo } from './commands/demo.ts'
import { runDev } from './commands/dev.ts'
import { doctor } from './commands/doctor.ts'
import { showEvents } from './commands/events.ts'
import { cancelJob, describeJob, listJobs } from './commands/jobs.ts'
import { runProcess } from './commands/process.ts'
import { parseFrom, readTopic } from './commands/read.ts'
import { submitJob } from './commands/submit.ts'
import { createTopic, listTopics, parseConfig } from './commands/topics.ts'
import { writeTopic } from './commands/write.ts'
import { inWordsOf, loadConfig } from './config-file.ts'
import { LEASE_FILE, LOG_FILE, STORE_FOLDER } from './context.ts'
import type { Context } from './context.ts'
import { EXIT, EXIT_BY_SIGNAL, exitCodeOf, interruption } from './exit.ts'
import type { EndingSignal } from './exit.ts'
import { ALL_SETTINGS, flagsOf, readServers, withConfig } from './settings.ts'
import type { ServerName, Servers } from './settings.ts'
import { openTerminal } from './terminal.ts'
import type { Terminal } from './terminal.ts'
import { examplesOf } from './usage.ts'
import { VERSION } from './version.ts'

type Flags = Readonly<Record<string, unknown>>

const openLog = ({ kafka, folder, ...access }: Servers, logger: Logger = silentLogger): Log => {
  if (kafka === undefined) return openLocalLog({ path: join(folder, LOG_FILE), clock: realClock })
  const problems = checkAccess(access)
  if (problems.length > 0) throw settingsInvalid(problems)
  return openKafkaLog({ brokers: kafka, clientId: 'tidemark-cli', ...kafkaAccess(access), clock: realClock, logger })
}

const openStore = ({ s3Endpoint, s3AccessKey, s3SecretKey, s3Bucket, s3Region, folder }: Servers): ObjectStore => s3Endpoint === undefined
  ? openLocalStore({ root: join(folder, STORE_FOLDER) })
  : openMinioStore({ endpoint: s3Endpoint, accessKey: s3AccessKey, secretKey: s3SecretKey, bucket: s3Bucket, region: s3Region, clock: realClock, logger: silentLogger })

const openLease = ({ redis, leaseKey, folder }: Servers): Lease => redis === undefined ? localLease(join(folder, LEASE_FILE)) : openRedisLease({ url: redis, key: leaseKey, clock: realClock, logger: silentLogger })

/** A terminal, and a parent that passes on what it got, send one signal twice. */
const SAME_SIGNAL_MS = 250

/** The first signal asks, the second one does not wait. */
const untilSignal = (): AbortSignal => {
  const controller = new AbortController()
  let first = 0
  const onSignal = (name: EndingSignal): void => {
    if (!controller.signal.aborted) {
      first = realClock.monotonic()
      controller.abort(interruption(name))
    } else if (realClock.monotonic() - first > SAME_SIGNAL_MS) end(EXIT_BY_SIGNAL[name])
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => onSignal(signal))
  return controller.signal
}

/** Of the folder this is started in. */
const config = await loadConfig(process.cwd())
/** no-color.org: set and not empty; it has the last word. */
const plain = (process.env['NO_COLOR'] ?? '') !== ''
const terminal: Terminal = openTerminal(process.stdout, process.stderr, (style, text) => plain ? text : styleText(style, text))

const end = (code: number): never => {
  terminal.end()
  return process.exit(code)
}

const contextOf = (flags: Flags): Context => ({
  terminal, json: flags['json'] === true, servers: readServers(flags, process.env, config), clock: realClock, openLog, openStore, openLease, openJobs: jobsClient,
  input: process.stdin, environment: withConfig(config, process.env), signal: untilSignal(),
})

const whole = (least: number) => (text: string): number => {
  const value = Number(text)
  if (!/^\d{1,16}$/.test(text) || value < least) throw new InvalidArgumentError(`a whole number of at least ${least} is wanted`)
  return value
}

const program = new Command('tidemark').description('Stateful stream processing that treats failure as normal.').version(VERSION, '--version', 'print the version').exitOverride().showHelpAfterError('(tidemark --help shows what there is)')

program.hook('preAction', (_program, asked) => {
  // A driver and an executor say it in their logs.
  if (asked.name() !== 'driver' && asked.name() !== 'executor') for (const remark of misspelled(process.env)) terminal.note(remark)
})

/** Behind what is wrong with how a command is written. */
const helpOf = (path: string): string => `(tidemark ${path} --help shows what it takes, with examples)`

const command = (name: string, about: string, servers: readonly ServerName[], parent = program): Command => {
  const path = parent === program ? name : `${parent.name()} ${name}`
  const made = parent.command(name).description(about).option('--json', 'answer as JSON, one value a line').addHelpText('after', examplesOf(path)).showHelpAfterError(helpOf(path))
  for (const server of servers) made.addOption(new Option(`--${flagOf(CLI_SETTINGS[server])} <${server}>`, CLI_SETTINGS[server].about))
  return made
}
/** All of them. */
const takeFlags = (taker: Command, specs: SettingSpecs): Command => {
  for (const spec of Object.values(specs)) taker.addOption(new Option(`--${flagOf(spec)} <value>`, spec.about))
  return taker
}
const LOG: readonly ServerName[] = ['kafka', 'folder', 'kafkaTls', 'kafkaSasl', 'kafkaUser', 'kafkaPassword']
const STORE: readonly ServerName[] = ['s3Endpoint', 's3AccessKey', 's3SecretKey', 's3Bucket', 's3Region']

command('dev', 'run jobs in a cluster of their own on this machine: no server needed. What ran there goes on; without job files, that alone', ['folder', 'driver']).argument('[job files...]')
  .option('--fresh', 'delete the folder first', false).option('--executors <n>', 'executor processes', whole(1), 2).option('--slots <n>', 'slots of each', whole(1), 1)
  .action((files: string[], flags: { fresh: boolean, executors: number, slots: number }) => runDev(contextOf(flags), files, flags))
command('submit', 'give a job to the cluster', ['driver']).argument('<job file>')
  .option('--from <checkpoint>', 'start as a new run from this checkpoint of the job', whole(0))
  .option('--wait', 'until all of its tasks run: shows how much of its state is loaded; 1 when it fails. Lines of --json: kind "submitted", then "job" as describe has it', false)
  .action(async (file: string, flags: { from?: number, wait: boolean }) => void await submitJob(contextOf(flags), file, flags.from, flags.wait))
command('build', 'write a job to a file that any gRPC client can stream to JobService.Submit', []).argument('<job file>')
  .requiredOption('--out <file>', 'where to; lines of JSON').option('--from <checkpoint>', 'start as a new run from this checkpoint of the job', whole(0))
  .action((file: string, flags: { out: string, from?: number }) => buildJob(contextOf(flags), file, flags.out, flags.from))
command('jobs', 'list the jobs', ['driver']).action((flags: Flags) => listJobs(contextOf(flags)))
command('describe', 'tasks, owners, lag, state, checkpoints, last recoveries of a job', ['driver']).argument('<job>')
  .option('--follow', 'go on: redrawn in a terminal, else a line when something has changed; Ctrl-C ends it', false)
  .action((job: string, flags: Flags & { follow: boolean }) => describeJob(contextOf(flags), job, flags.follow))
command('cancel', 'end a job; its checkpoints are kept, the name is free again. Drained unless you say otherwise: no more input, a last checkpoint, then the end', ['driver']).argument('<job>')
  .addOption(new Option('--drain', 'take a last checkpoint that `submit --from` goes on from exactly; waits for as long as that takes').conflicts('now'))
  .option('--now', 'no last checkpoint: what is not committed is taken back; ends a drain under way too', false).option('--no-wait', 'only ask for it')
  .option('--timeout <seconds>', 'how long to wait; it goes on behind that', whole(1), 120)
  .action((job: string, { now, wait, timeout, ...flags }: Flags & { now: boolean, wait: boolean, timeout: number }) => cancelJob(contextOf(flags), job, { now, wait, timeoutMs: timeout * 1_000 }))
command('events', 'what happened to jobs and executors', ['driver']).argument('[job]').option('--follow', 'go on as things happen', false)
  .action((job: string | undefined, flags: { follow: boolean }) => showEvents(contextOf(flags), { follow: flags.follow, ...job === undefined ? {} : { job } }))

const topics = command('topics', 'list the topics', LOG).option('--all', 'those of the cluster too', false).action((flags: { all: boolean }) => listTopics(contextOf(flags), flags.all))
command('list', 'the same', LOG, topics).option('--all', 'those of the cluster too', false).action((_flags: Flags, self: Command) => listTopics(contextOf(self.optsWithGlobals()), self.optsWithGlobals()['all'] === true))
command('create', 'make a topic', LOG, topics).argument('<topic>').requiredOption('--partitions <n>', 'how many', whole(1)).option('--config <name=value...>', "Kafka's settings of the topic", [])
  .action((topic: string, flags: { partitions: number, config: string[] }, self: Command) => createTopic(contextOf(self.optsWithGlobals()), topic, flags.partitions, parseConfig(flags.config)))
command('write', 'write lines of JSON from stdin to a topic, each a record', LOG).argument('<topic>')
  .option('--key <field>', 'field that is the key').option('--timestamp <field>', 'field that is the time, ms since 1970')
  .action((topic: string, flags: { key?: string, timestamp?: string }) => writeTopic(contextOf(flags), topic, flags))
command('read', 'print the records of a topic, read committed', LOG).argument('<topic>')
  .option('--follow', 'go on as records come', false).option('--from <place>', 'start, end or an offset', 'start').option('--partition <n>', 'only this one', whole(0)).option('--count <n>', 'at most so many', whole(1))
  .action((topic: string, { from, ...flags }: { from: string, follow: boolean, partition?: number, count?: number }) => readTopic(contextOf(flags), topic, { ...flags, from: parseFrom(from) }))
command('audit', "is anything lost or doubled: a job's books, batch by batch, against log and store; 0: balanced, 1: not, 3: not reached", [...LOG, ...STORE]).argument('<job>')
  .option('--run <n>', 'of the job; default: the newest', whole(1)).option('--shared <topics...>', 'output topics that other programs write to as well: not counted', []).option('--no-outputs', 'leave the output topics out: they are read from start to end')
  .option('--state', 'rebuild the state of every task from each snapshot whose tail its journal has, and compare: one hash, whatever it is recovered from', false)
  .action(async (job: string, flags: { run?: number, shared: string[], outputs: boolean, state: boolean }) => end(await auditJob(contextOf(flags), job, flags)))

const SERVERS: readonly ServerName[] = [...LOG, ...STORE, 'redis', 'leaseKey', 'driver']
command('doctor', 'do the servers keep what Tidemark stands on? Tries log, store and lease; 0: they do, 1: not, 3: not reached', SERVERS)
  .action(async (flags: Flags) => end(await doctor(contextOf(flags))))
takeFlags(command('config', 'every setting of every process, and where its value is from: a flag (those of driver and executor too), the environment, tidemark.config.ts, or the default', []), ALL_SETTINGS)
  .action((flags: Flags) => showConfig(terminal, flags['json'] === true, configRows(flags, process.env, config), config))

for (const [main, specs] of [['driver', DRIVER_SETTINGS], ['executor', EXECUTOR_SETTINGS]] as const) {
  const made = program.command(main).description(`run ${main === 'driver' ? 'a driver' : 'an executor'} in this terminal`).addHelpText('after', examplesOf(main)).showHelpAfterError(helpOf(main))
  takeFlags(made, specs).action(async (given: Flags) => {
    const [flags, environment] = [flagsOf(specs, given), withConfig(config, process.env)]
    // All mistakes at once, before a process is started for them.
    if (main === 'driver') readSettings(DRIVER_SETTINGS, flags, environment, checkDriverSettings, config.problems)
    else readSettings(EXECUTOR_SETTINGS, flags, environment, checkExecutorSettings, config.problems)
    end(await runProcess(main, Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`), environment))
  })
}
command('demo', 'kill executors under load in front of you and check every result', []).option('--seed <n>', 'of the events', whole(0)).option('--seconds <n>', 'of feeding', whole(4), 12)
  .option('--rate <n>', 'events a second', whole(1), 4_000).option('--keep', 'keep the folder', false)
  .action(async (flags: { seed?: number, seconds: number, rate: number, keep: boolean }) => end(await runDemo(contextOf(flags), flags)))

// A reader that has seen enough (`| head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => end(error.code === 'EPIPE' ? EXIT.done : EXIT.failed))

try {
  await program.parseAsync()
  // What a library left open must not keep a finished command.
  process.stdout.write('', () => end(EXIT.done))
} catch (error) {
  if (error instanceof CommanderError) end(error.exitCode === 0 ? EXIT.done : EXIT.wrongUse)
  terminal.end()
  const told = describeError(error)
  process.stderr.write(`${isTidemarkError(error) && error.code === 'SETTINGS_INVALID' ? inWordsOf(config, process.env)(told) : told}\n`, () => end(exitCodeOf(error)))
}
