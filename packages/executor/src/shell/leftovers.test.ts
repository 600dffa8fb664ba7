import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { recorded } from '../../../../test/services/run-folder.ts'
import { Leftovers } from './leftovers.ts'
import { pidStartOf } from './processes.ts'

describe('leftover slots', () => {
  let folder: string
  const children: ChildProcess[] = []
  beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'tidemark-leftovers-')) })
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const processOf = (): { readonly child: ChildProcess, readonly pid: number, readonly pidStart: string } => {
    const child = recorded(spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' }))
    children.push(child)
    return { child, pid: child.pid ?? -1, pidStart: pidStartOf(child.pid ?? -1) ?? '' }
  }

  test('two executors with one name, in one folder → neither takes the other\'s slots for leftovers, nor forgets them with its own', () => {
    const [one, other, slot, otherSlot] = [processOf(), processOf(), processOf(), processOf()]
    const first = new Leftovers(folder, 'west', one.pid)
    const second = new Leftovers(folder, 'west', other.pid)
    first.write({ executor: one, slots: [slot] })
    second.write({ executor: other, slots: [otherSlot] })
    expect(readdirSync(folder)).toHaveLength(2)
    expect(new Leftovers(folder, 'west').kill()).toBe(0)
    second.remove()
    expect(readdirSync(folder)).toHaveLength(1)
    expect([slot, otherSlot].map(({ child }) => child.killed)).toEqual([false, false])
  })

  test('one of them died → the next one ends its slots, and only its', async () => {
    const [dead, alive, slot, otherSlot] = [processOf(), processOf(), processOf(), processOf()]
    new Leftovers(folder, 'west', dead.pid).write({ executor: dead, slots: [slot] })
    new Leftovers(folder, 'west', alive.pid).write({ executor: alive, slots: [otherSlot] })
    dead.child.kill('SIGKILL')
    await once(dead.child, 'exit')
    const ended = once(slot.child, 'exit')
    expect(new Leftovers(folder, 'west').kill()).toBe(1)
    expect(await ended).toEqual([null, 'SIGKILL'])
    expect(pidStartOf(otherSlot.pid)).toBe(otherSlot.pidStart)
  })
})
