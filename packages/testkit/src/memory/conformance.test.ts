// The memory object store and the memory lease pass their ports' suites.
import { realClock } from '@tidemark/base'
import { leaseConformance } from '../conformance/lease.ts'
import { objectStoreConformance } from '../conformance/object-store.ts'
import { emptyLeaseState, MemoryLease } from './lease.ts'
import type { MemoryLeaseState } from './lease.ts'
import { MemoryObjectStore } from './object-store.ts'

objectStoreConformance('memory', async () => {
  const store = new MemoryObjectStore({ clock: realClock })
  return { store, close: () => store.close() }
})

leaseConformance('memory', async () => {
  const states = new Map<string, MemoryLeaseState>()
  const stateOf = (name: string): MemoryLeaseState => {
    const state = states.get(name) ?? emptyLeaseState()
    states.set(name, state)
    return state
  }
  return { open: (name) => new MemoryLease({ name, clock: realClock, state: stateOf(name) }), close: async () => {} }
})
