import { expect, test } from '@jest/globals'
import { JOURNAL_FETCH_BYTES_MAX } from '@tidemark/checkpoint'
import { fixture } from './slot.sample.ts'
import { TailBudget } from './tail-budget.ts'

const MIB = JOURNAL_FETCH_BYTES_MAX
const never = new Promise<void>(() => {})
const held = () => fixture().held
/** What a call has come to, once everything that is due has had its turn. */
const watch = (asked: Promise<boolean>): { answer: boolean | undefined } => {
  const seen: { answer: boolean | undefined } = { answer: undefined }
  void asked.then((answer) => { seen.answer = answer })
  return seen
}
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
const unasked = (): void => { throw new Error('said to wait for a snapshot') }

test('tail budget, several tasks read → what they hold is one sum, and who has no room is told so', async () => {
  const budget = new TailBudget(4 * MIB)
  const [one, two, three] = [held(), held(), held()]
  for (const [task, bytes] of [[one, 1.5 * MIB], [two, 1 * MIB]] as const) {
    expect(await budget.room(task, never, unasked)).toBe(true)
    budget.keeps(task, bytes)
  }
  expect(await budget.room(three, never, unasked)).toBe(true)
  budget.keeps(three, MIB)
  let waits = 0
  const asked = [one, two, three].map((task) => watch(budget.room(task, never, () => { waits += 1 })))
  await settle()
  expect([asked.map(({ answer }) => answer), waits]).toEqual([[undefined, undefined, undefined], 3])
})

test('tail budget, there is no room → its own snapshot lets a task go on, whoever else waits for another', async () => {
  const budget = new TailBudget(2 * MIB)
  const [slow, quick] = [held(), held()]
  await budget.room(slow, never, unasked)
  budget.keeps(slow, 2 * MIB)
  const snapshot = Promise.withResolvers<void>()
  const [first, second] = [watch(budget.room(slow, never, () => {})), watch(budget.room(quick, snapshot.promise, () => {}))]
  await settle()
  expect([first.answer, second.answer]).toEqual([undefined, undefined])
  snapshot.resolve()
  await settle()
  expect([first.answer, second.answer]).toEqual([undefined, false])
})

test('tail budget, what one holds is applied, or its takeover ends → who waited reads on, only so many at once as there is room for', async () => {
  const budget = new TailBudget(2 * MIB)
  const one = held()
  await budget.room(one, never, unasked)
  budget.keeps(one, 2 * MIB)
  const asked = [held(), held(), held()].map((task) => watch(budget.room(task, never, () => {})))
  await settle()
  budget.keeps(one, 0)
  await settle()
  expect(asked.map(({ answer }) => answer)).toEqual([true, true, undefined])
})

test('tail budget, others only fetch → it waits for their answers, which are small, and nobody says that it waits for a snapshot', async () => {
  const budget = new TailBudget(2 * MIB)
  const [one, two, three] = [held(), held(), held()]
  await budget.room(one, never, unasked)
  await budget.room(two, never, unasked)
  const third = watch(budget.room(three, never, unasked))
  await settle()
  expect(third.answer).toBeUndefined()
  budget.keeps(one, 100)
  await settle()
  expect(third.answer).toBeUndefined()
  budget.keeps(two, 100)
  await settle()
  expect(third.answer).toBe(true)
})

test('tail budget, smaller than a fetch → a task alone reads nevertheless', async () => {
  const budget = new TailBudget(1)
  const [one, two] = [held(), held()]
  expect(await budget.room(one, never, unasked)).toBe(true)
  const other = watch(budget.room(two, never, () => {}))
  budget.keeps(one, 0)
  await settle()
  expect(other.answer).toBe(true)
})
