// Driver, executors and Kafka itself SIGKILLed at one moment, and started again.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import { MainJob } from '../cluster/main-job.ts'
import { serversOf } from '../cluster/servers.ts'
import { describeWith, startKafka } from '../services/index.ts'

describeWith(['kafka', 'minio', 'redis'], 'everything is SIGKILLed at once, Kafka too', (server) => {
  let broker: Awaited<ReturnType<typeof startKafka>>
  let main: MainJob | undefined

  beforeAll(async () => {
    broker = await startKafka()
  }, 120_000)

  afterAll(async () => {
    await main?.stop()
    await broker.close()
  }, 60_000)

  test('everything dead: driver, executors and Kafka start again → goes on by itself, exact', async () => {
    main = await MainJob.start({ ...serversOf(server), TIDEMARK_KAFKA: broker.brokers }, { copartitioned: false, idlePartitions: [3], atOnce: false })
    main.feeder.start()
    await main.fed(2_000)
    await main.feeder.pause()
    await Promise.all([main.cluster.driver?.kill(), ...main.cluster.executors.map((executor) => executor.kill()), broker.kill()])
    await broker.restart()
    for (let answered = false; !answered;) {
      answered = await main.cluster.log.listTopics().then(() => true, () => false)
      await realClock.sleep(100)
    }
    await main.cluster.startDriver()
    await main.recovered(2)
    main.feeder.start()
    await main.fed(1_000)
    expect(await main.settle()).toEqual([])
  }, 240_000)
})
