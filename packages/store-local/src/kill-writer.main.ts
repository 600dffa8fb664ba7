// Puts objects for ever and says which are there; the tests of this room kill it.
import { writeSync } from 'node:fs'
import { openLocalStore } from './local-store.ts'

const [root = '', life = '', bytes = '0'] = process.argv.slice(2)
const store = openLocalStore({ root, sync: false })
for (let n = 0; ; n += 1) {
  await store.put(`kill/${life}-${String(n).padStart(6, '0')}`, Buffer.alloc(Number(bytes), n % 256))
  await store.put('kill/replaced', Buffer.alloc(Number(bytes), n % 256))
  writeSync(1, `${n}\n`)
}
