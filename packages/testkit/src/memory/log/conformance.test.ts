// The memory log passes its port's suite.
import { realClock } from '@tidemark/base'
import { logConformance } from '../../conformance/log/log-conformance.ts'
import { MemoryLog } from './log.ts'

logConformance('memory', async () => {
  const log = new MemoryLog({ clock: realClock })
  return { log, close: () => log.close() }
})
