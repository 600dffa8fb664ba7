// The driver's entry: compiled code is kept between processes (in Node's own folder), so that each start costs half.
import { enableCompileCache } from 'node:module'

enableCompileCache()
await import('./driver.main.ts')
