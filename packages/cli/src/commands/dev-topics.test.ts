import { expect, test } from '@jest/globals'
import { jobId, realClock } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import { MemoryBroker, MemoryLog } from '@tidemark/testkit'
import { job, json, topic, topicSink } from 'tidemark'
import { makeTopics } from './dev-topics.ts'

const plan = (input: string, output: string) => job('j').source('in', topic(input, { value: json<object>() })).sink('out', topicSink(output, { value: json() })).plan()

test('dev, topics that are not there → made, each said once; of one that is read, which one that is there was probably meant', async () => {
  const log = new MemoryLog({ clock: realClock, broker: new MemoryBroker({ clock: realClock }) })
  await log.createTopics([{ topic: 'orders', partitions: 1 }, { topic: 'totals', partitions: 1 }, { topic: paths.journalTopic(jobId('j'), 1, 's0'), partitions: 1 }])
  const said: string[] = []
  const make = (...plans: ReturnType<typeof plan>[]) => makeTopics(log, plans, (text) => said.push(text))
  await make(plan('ordres', 'total2'), plan('total2', 'out'))
  expect(said).toEqual(['topic ordres is made with 4 partitions. Did you mean orders, which is there?', 'topic total2 is made with 4 partitions. Did you mean totals, which is there?', 'topic out is made with 4 partitions'])
  expect([...await log.describeTopics(['orders', 'ordres', 'total2', 'out'])].map(([name, { partitions }]) => [name, partitions])).toEqual([['orders', 1], ['ordres', 4], ['total2', 4], ['out', 4]])
  said.length = 0
  await make(plan('ordres', 'total2'))
  // A job that reads both has its reasons.
  await make(plan('orders', 'results'), plan('order2', 'rseults'))
  expect(said).toEqual(['topic order2 is made with 4 partitions', 'topic results is made with 4 partitions', 'topic rseults is made with 4 partitions'])
  await log.close()
})
