// What the memory object stores hold, with somebody who is told of every object that comes or goes.
import { paths } from '@tidemark/checkpoint'
import type { MemoryObjects } from '../memory/object-store.ts'

type Stored = NonNullable<ReturnType<MemoryObjects['get']>>

export class ObservedObjects extends Map<string, Stored> {
  added: (key: string) => void = () => {}
  deleted: (key: string, was: Stored) => void = () => {}

  override set(key: string, stored: Stored): this {
    // A day spares what a run began from, and no simulation lasts one: here the other reasons have to be enough.
    super.set(key, paths.parseOrigin(key) ? { ...stored, modifiedAt: 0 } : stored)
    this.added(key)
    return this
  }

  override delete(key: string): boolean {
    const was = this.get(key)
    const done = super.delete(key)
    if (was) this.deleted(key, was)
    return done
  }
}
