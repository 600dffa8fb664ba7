// One slot in this process on a Kafka that runs, working off preloaded events: to see where its time goes, without a cluster around it.
// `TIDEMARK_KAFKA=host:port node bench/slot.main.ts [windowed|running] [events] [file for a CPU profile]`
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { realClock, silentLogger } from '@tidemark/base'
import { openKafkaLog } from '@tidemark/log-kafka'
import { SlotFixture } from '../test/integration/slots/slot-fixture.ts'
import running from './jobs/running.ts'
import windowed from './jobs/windowed.ts'
import { INPUT_TOPIC, OUTPUT_TOPIC, PARTITIONS, Payments } from './payments.ts'
import { readTopic } from './topic-reading.ts'
import { WindowedCheck } from './windowed/check.ts'

const brokers = process.env['TIDEMARK_KAFKA']
if (brokers === undefined) throw new Error('set TIDEMARK_KAFKA=host:port')
const [name = 'windowed', events = '1000000', profile] = process.argv.slice(2)
const count = Number(events)
const job = name === 'running' ? running : windowed

const log = openKafkaLog({ brokers, clientId: 'bench', clock: realClock, logger: silentLogger })
const payments = new Payments(log, 1)
const known = (await log.describeTopics([INPUT_TOPIC])).has(INPUT_TOPIC) ? (await log.offsets(INPUT_TOPIC)).reduce((sum, { stable }) => sum + stable, 0) : 0
if (known !== count) {
  await log.deleteTopics([INPUT_TOPIC])
  await payments.createTopics()
  await payments.write(count)
}
// Also what an interrupted run left: its journals have owners.
await log.deleteTopics([OUTPUT_TOPIC, ...(await log.listTopics()).filter((topic) => topic.includes(job.plan().job))])
const fixture = await SlotFixture.start(() => openKafkaLog({ brokers, clientId: 'bench-slot', clock: realClock, logger: silentLogger }), job, PARTITIONS, [INPUT_TOPIC, OUTPUT_TOPIC])
const slot = await fixture.slot()
const inspector = new Session()
if (profile !== undefined) {
  inspector.connect()
  await inspector.post('Profiler.enable')
  await inspector.post('Profiler.start')
}
const [cpu, began] = [process.cpuUsage(), realClock.monotonic()]
fixture.assign(slot, fixture.tasks())
const positions = (): number => {
  const newest = slot.events.findLast((event) => event.kind === 'status')
  return newest?.kind === 'status' ? newest.tasks.flatMap(({ inputs }) => inputs).reduce((sum, { next }) => sum + next, 0) : 0
}
while (positions() < count) {
  for (const event of slot.events) {
    if (event.kind === 'failed') throw event.error
    if (event.kind === 'given-up') throw new Error(event.reason)
  }
  await realClock.sleep(10)
}
const seconds = (realClock.monotonic() - began) / 1_000
const { user, system } = process.cpuUsage(cpu)
if (profile !== undefined) writeFileSync(profile, JSON.stringify((await inspector.post('Profiler.stop')).profile))
process.stdout.write(`${name}: ${Math.round(count / seconds)} events/s, ${((user + system) / count).toFixed(2)} s of CPU per million (${(system / count).toFixed(2)} of them in the kernel), ${Math.round(process.memoryUsage().rss / 1e6)} MB\n`)
if (name === 'windowed' && payments.count === count) {
  const check = new WindowedCheck(payments)
  await readTopic(log, OUTPUT_TOPIC, (record) => check.take(record.value?.toString('utf8') ?? 'null'))
  process.stdout.write(`${check.results} results, ${JSON.stringify(check.finish())}\n`)
}
await fixture.stop()
await log.close()
process.exit(0)
