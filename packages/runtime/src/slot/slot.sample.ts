// One task that a slot is about to take over, with all that a slot has, in memory: for tests of one part of a takeover.
import { executorId, jobId, noFaults, silentLogger, slotId, stageId } from '@tidemark/base'
import { ALL_RULES } from '@tidemark/checkpoint'
import { MemoryLog, MemoryObjectStore, seededRandom, VirtualClock } from '@tidemark/testkit'
import { cutStages, job, jobFunctions, json, topic, topicSink } from 'tidemark'
import { createTask } from '../task/create-task.ts'
import { HeldTask } from './held-task.ts'
import type { SlotOptions, SlotPorts } from './ports.ts'

export const fixture = (partitions = 1): { readonly ports: SlotPorts, readonly options: SlotOptions, readonly held: HeldTask, readonly from: { readonly run: number, readonly checkpoint: number, readonly manifest: string } } => {
  const clock = new VirtualClock()
  const passing = job('orders', { version: '1' }).source('in', topic('in', { value: json() })).sink('out', topicSink('out', { value: json() }))
  const [id, plan] = [jobId('orders'), passing.plan()]
  const from = { run: 1, checkpoint: 7, manifest: 'orders/commits/7.json' }
  const physical = cutStages(plan)
  const run: SlotOptions['run'] = {
    formatVersion: 1, job: id, run: 2, jobVersion: '1', planHash: 'a'.repeat(64), plan: 'p', bundle: { key: 'b', sha256: 'b'.repeat(64), sizeBytes: 1 }, from, createdAt: 0, shuffles: [],
    stages: physical.stages.map(({ inputs }) => ({ stage: stageId(0), partitions, inputs: inputs.map((input) => ({ input: input.kind === 'shuffle' ? input.shuffle : input.node, kind: 'topic' as const, topic: 'in', partitions })) })),
  }
  const topics = new Map(['out', plan.settings.deadLetterTopic].map((name) => [name, { topic: name, partitions: 1, maxMessageBytes: 1_000_000 }]))
  const ports: SlotPorts = {
    log: new MemoryLog({ clock }), store: new MemoryObjectStore({ clock }), clock, random: seededRandom(1), logger: silentLogger, faults: noFaults, alive: () => true, emit: () => {},
    reader: () => new MemoryLog({ clock }).reader(), sink: () => ({ deliver: async () => {}, close: async () => {} }),
  }
  const makeTask: SlotOptions['makeTask'] = (ref) => createTask({ ref, plan, physical, functions: jobFunctions(passing), run, topics, partitionFor: () => 0, clock })
  const options: SlotOptions = { owner: { executor: executorId('e'), slot: 0, slotId: slotId('s') }, run, origin: undefined, settings: plan.settings, engineVersion: '0.1.0', rules: ALL_RULES, makeTask }
  const held = new HeldTask(() => makeTask({ job: id, run: 2, stage: stageId(0), partition: 0 }), { epoch: 1, counter: 1 }, 'journal', clock)
  return { ports, options, held, from }
}
