// What the memory object stores hold, with somebody who is told of every object that comes or goes.
import type { MemoryObjects } from '../memory/object-store.ts'

type Stored = NonNullable<ReturnType<MemoryObjects['get']>>

export class ObservedObjects extends Map<string, Stored> {
  added: (key: string) => void = () => {}
  deleted: (key: string) => void = () => {}

  override set(key: string, stored: Stored): this {
    super.set(key, stored)
    this.added(key)
    return this
  }

  override delete(key: string): boolean {
    const was = super.delete(key)
    if (was) this.deleted(key)
    return was
  }
}
