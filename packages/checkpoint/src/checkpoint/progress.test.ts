// One checkpoint as the driver leads it: order, losses, deaths, in any order of facts.
import { describe, expect, test } from '@jest/globals'
import { stageId } from '@tidemark/base'
import * as fc from 'fast-check'
import { buildManifest } from '../manifest.ts'
import type { ManifestPart } from '../manifest.ts'
import { ALL_RULES } from '../rules.ts'
import { manifestFacts } from '../samples/manifest.ts'
import { runRecord } from '../samples/run.ts'
import { advanceCheckpoint, beginCheckpoint, missing } from './progress.ts'
import type { CheckpointCommand, CheckpointFact, CheckpointProgress } from './progress.ts'
import type { TaskId } from './topology.ts'

const facts = manifestFacts()
const task = (stage: number, partition: number): TaskId => ({ stage: stageId(stage), partition })
const partOf = (of: TaskId): ManifestPart => facts.parts.find((part) => part.stage === of.stage && part.partition === of.partition) as ManifestPart
const cut = (of: TaskId): CheckpointFact => ({ kind: 'cut', task: of, batchId: partOf(of).ref.batchId })
const named = (of: TaskId): CheckpointFact => ({ kind: 'named', part: partOf(of) })
const [s00, s01, s10, s11] = [task(0, 0), task(0, 1), task(1, 0), task(1, 1)]

const after = (list: readonly CheckpointFact[]): { progress: CheckpointProgress, commands: CheckpointCommand[] } => {
  let { progress, commands } = beginCheckpoint(runRecord, 10, facts.outputs)
  const all = [...commands]
  for (const fact of list) {
    ;({ progress, commands } = advanceCheckpoint(progress, fact))
    all.push(...commands)
  }
  return { progress, commands: all }
}
const kinds = (commands: readonly CheckpointCommand[]): string[] => commands.map((command) => command.kind)
const allNamed = [cut(s10), named(s10), cut(s11), named(s11), cut(s00), named(s00), cut(s01), named(s01)]

describe('checkpoint of one number', () => {
  test('all walk at once, sinks complete first, then their upstream', () => {
    expect(after([]).commands).toEqual([{ kind: 'begin', tasks: [s00, s01, s10, s11] }, { kind: 'complete', tasks: [s10, s11] }])
    expect(after([cut(s10)]).commands.slice(2)).toEqual([])
    expect(after([cut(s10), cut(s11)]).commands.slice(2)).toEqual([{ kind: 'complete', tasks: [s00, s01] }])
  })
  test('when all parts are named, each reader stores what its writers wrote up to their cuts', () => {
    const { progress, commands } = after(allNamed)
    expect(progress.phase).toBe('collecting')
    const cuts = [{ ...s00, batchId: 50 }, { ...s01, batchId: 51 }]
    expect(commands.slice(-2)).toEqual([{ kind: 'store-in-flight', task: s10, ref: partOf(s10).ref, cuts }, { kind: 'store-in-flight', task: s11, ref: partOf(s11).ref, cuts }])
    expect(missing(progress)).toEqual(['s1-0', 's1-1'])
  })
  test('then the manifest is written, from facts that make a legal one, and then it is done', () => {
    const stored = facts.inFlight.map((one): CheckpointFact => ({ kind: 'in-flight-stored', stored: one }))
    const { progress, commands } = after([...allNamed, ...stored])
    const last = commands.at(-1)
    expect(last?.kind).toBe('write-manifest')
    if (last?.kind === 'write-manifest') expect(buildManifest(runRecord, { ...facts, parts: last.parts, inFlight: last.inFlight, outputs: last.outputs }).parts).toHaveLength(4)
    expect(advanceCheckpoint(progress, { kind: 'written' }).progress.phase).toBe('done')
  })
  test('lost before anything upstream may have its cut: the task walks again', () => {
    expect(after([cut(s10), { kind: 'lost', task: s10, reason: 'upload failed', owned: true }]).commands.slice(2)).toEqual([{ kind: 'begin', tasks: [s10] }, { kind: 'complete', tasks: [s10] }])
    const died: CheckpointFact[] = [{ kind: 'lost', task: s10, reason: 'executor died', owned: false }]
    expect(after(died).commands).toHaveLength(2)
    expect(after([...died, { kind: 'owned', task: s10 }]).commands.slice(2)).toEqual([{ kind: 'begin', tasks: [s10] }, { kind: 'complete', tasks: [s10] }])
  })
  test('lost by its owner again and again, as a store that fails at once has it: the third time this number is given up, and only that task\'s losses count', () => {
    const lost = (of: TaskId, owned = true): CheckpointFact => ({ kind: 'lost', task: of, reason: 'the store refuses', owned })
    const twice = [cut(s10), lost(s10), cut(s10), lost(s10)]
    expect(after(twice).commands.slice(-2)).toEqual([{ kind: 'begin', tasks: [s10] }, { kind: 'complete', tasks: [s10] }])
    expect(after([...twice, lost(s11), lost(s10, false), { kind: 'owned', task: s10 }]).progress.phase).toBe('walking')
    const { progress, commands } = after([...twice, cut(s10), lost(s10)])
    expect(progress.phase).toBe('given-up')
    expect(commands.slice(-2)).toEqual([{ kind: 'give-up', reason: 'checkpoint 10 is given up: the part of task s1-0 was lost 3 times, now because: the store refuses' }, { kind: 'complete', tasks: [s00, s01] }])
  })
  test('the last of a run that is drained, lost by its owner again and again: twice the task walks again at once, then each time after a pause, for no other makes up for it', () => {
    let { progress } = beginCheckpoint(runRecord, 10, facts.outputs, ALL_RULES, true)
    const say = (fact: CheckpointFact): string[] => {
      const step = advanceCheckpoint(progress, fact)
      progress = step.progress
      return kinds(step.commands)
    }
    const lost: CheckpointFact = { kind: 'lost', task: s10, reason: 'the store refuses', owned: true }
    for (let times = 0; times < 2; times += 1) expect(say(lost)).toEqual(['begin', 'complete'])
    for (let times = 0; times < 20; times += 1) {
      expect(say(lost)).toEqual(['pause'])
      expect(say(cut(s11))).toEqual([])
      expect(say({ kind: 'owned', task: s10 })).toEqual(['begin', 'complete'])
    }
    expect(say(cut(s10))).toEqual(['complete'])
  })
  test('why: said before the first pause of a task, and when the time is up, with its newest reason', () => {
    let { progress } = beginCheckpoint(runRecord, 10, facts.outputs, ALL_RULES, true)
    const say = (fact: CheckpointFact): readonly CheckpointCommand[] => {
      const step = advanceCheckpoint(progress, fact)
      progress = step.progress
      return step.commands
    }
    const lost = (of: TaskId, reason: string, owned = true): CheckpointFact => ({ kind: 'lost', task: of, reason, owned })
    for (let times = 0; times < 2; times += 1) say(lost(s10, 'the bucket is full'))
    expect(say(lost(s10, 'the bucket is full'))).toEqual([{ kind: 'pause', task: s10, say: 'the part of task s1-0 was lost 3 times, now because: the bucket is full' }])
    say({ kind: 'owned', task: s10 })
    expect(say(lost(s10, 'the key is refused'))).toEqual([{ kind: 'pause', task: s10 }])
    say(lost(s11, 'its executor died', false))
    expect(say({ kind: 'timed-out' })[0]).toEqual({ kind: 'give-up', reason: 'checkpoint 10 is given up: its time is up; missing: s0-0, s0-1, s1-0 (lost: the key is refused), s1-1 (lost: its executor died)' })
  })
  test('why, of more than three tasks: of three; of what is in flight behind a part that was lost before it was named: nothing', () => {
    const lost = (of: TaskId): CheckpointFact => ({ kind: 'lost', task: of, reason: 'died', owned: false })
    expect(after([...[s00, s01, s10, s11].map(lost), { kind: 'timed-out' }]).commands.find(({ kind }) => kind === 'give-up')).toMatchObject({ reason: expect.stringContaining('missing: s0-0 (lost: died), s0-1 (lost: died), s1-0 (lost: died), s1-1') })
    expect(after([lost(s10), { kind: 'owned', task: s10 }, ...allNamed, { kind: 'timed-out' }]).commands.at(-1)).toMatchObject({ reason: 'checkpoint 10 is given up: its time is up; missing: s1-0, s1-1' })
  })
  test('lost after an upstream was told to complete: this number is given up, others finish their parts', () => {
    const { progress, commands } = after([cut(s10), cut(s11), { kind: 'lost', task: s10, reason: 'died', owned: false }])
    expect(progress.phase).toBe('given-up')
    expect(commands.at(-1)).toMatchObject({ kind: 'give-up', reason: 'checkpoint 10 is given up: the part of task s1-0 was lost (died), and a task upstream of it may have its cut already' })
    expect(after([cut(s10), { kind: 'timed-out' }]).commands.slice(2).map((command) => command.kind === 'complete' ? command.tasks : command.kind)).toEqual(['give-up', [s00, s01]])
  })
  test('a named part outlives its owner', () => {
    expect(after([cut(s10), named(s10), { kind: 'lost', task: s10, reason: 'died', owned: false }, { kind: 'owned', task: s10 }]).commands).toHaveLength(2)
  })
  test('in flight: the present owner is asked again when the task has moved; what can\'t be stored gives up', () => {
    expect(after([...allNamed, { kind: 'owned', task: s11 }]).commands.at(-1)).toMatchObject({ kind: 'store-in-flight', task: s11 })
    const { commands } = after([...allNamed, { kind: 'lost', task: s11, reason: 'more than 100 bytes', owned: true }])
    expect(commands.at(-1)).toMatchObject({ kind: 'give-up', reason: expect.stringContaining('more than 100 bytes') })
  })
  test('in flight: a part that still reads the blocks of the run\'s origin would lose them, so the number is given up', () => {
    const part = partOf(s10)
    const reading = { ...part, ref: { ...part.ref, positions: part.ref.positions.map((position) => ({ ...position, inFlight: 3 })) } }
    expect(after([cut(s10), { kind: 'named', part: reading }]).commands.at(-2)).toMatchObject({ kind: 'give-up', reason: expect.stringContaining('s1-0 has not yet read all') })
  })
  test('time-out names what is missing; late facts change nothing', () => {
    const { progress, commands } = after([...allNamed.slice(0, 7), { kind: 'timed-out' }])
    expect(commands.at(-1)).toMatchObject({ kind: 'give-up', reason: 'checkpoint 10 is given up: its time is up; missing: s0-1' })
    expect(advanceCheckpoint(progress, named(s01))).toEqual({ progress, commands: [] })
  })
  test('a part that was not allowed to be complete, or differs from its cut, is a broken invariant', () => {
    expect(() => after([named(s00)])).toThrow('its cut is not allowed yet')
    expect(() => after([{ kind: 'cut', task: s10, batchId: 5 }, named(s10)])).toThrow('names a snapshot of batch 60, its cut is 5')
  })

  test('any order of facts, losses and deaths: C1 holds, it ends done or given up', () => {
    const order = fc.infiniteStream(fc.nat())
    fc.assert(fc.property(order, (choices) => {
      const pick = (n: number): number => (choices.next().value ?? 0) % n
      let { progress, commands } = beginCheckpoint(runRecord, 10, facts.outputs)
      const todo: CheckpointFact[] = []
      const told = new Set<string>()
      const cutSeen = new Set<string>()
      const take = (list: readonly CheckpointCommand[]): void => {
        for (const command of list) {
          if (command.kind === 'complete' && progress.phase === 'walking') {
            for (const one of command.tasks) {
              if (one.stage === 's0') expect([...cutSeen].filter((name) => name.startsWith('s1'))).toHaveLength(2)
              told.add(`${one.stage}-${one.partition}`)
              todo.push(cut(one))
            }
          } else if (command.kind === 'store-in-flight') todo.push({ kind: 'in-flight-stored', stored: { ...command.task, objects: [], blocks: 0, bytes: 0 } })
          else if (command.kind === 'write-manifest') todo.push({ kind: 'written' })
        }
      }
      take(commands)
      for (let steps = 0; todo.length > 0 && steps < 200; steps += 1) {
        const [fact] = todo.splice(pick(todo.length), 1) as [CheckpointFact]
        if ((fact.kind === 'cut' || fact.kind === 'named') && pick(8) === 0) {
          const of = fact.kind === 'cut' ? fact.task : fact.part
          todo.push({ kind: 'owned', task: of })
          cutSeen.delete(`${of.stage}-${of.partition}`)
          ;({ progress, commands } = advanceCheckpoint(progress, { kind: 'lost', task: of, reason: 'chance', owned: false }))
        } else {
          if (fact.kind === 'cut') {
            cutSeen.add(`${fact.task.stage}-${fact.task.partition}`)
            todo.push(named(fact.task))
          }
          ;({ progress, commands } = advanceCheckpoint(progress, fact))
        }
        take(commands)
      }
      expect(['done', 'given-up']).toContain(progress.phase)
    }), { numRuns: 500 })
  })
  test('without C1 all complete at once', () => {
    expect(kinds(beginCheckpoint(runRecord, 10, [], { ...ALL_RULES, C1: false }).commands)).toEqual(['begin', 'complete'])
  })
})
