// Settings of a driver process, and what its core is told of them.
import type { DRIVER_SETTINGS, Settings } from '@tidemark/base'
import { DEFAULT_SETTINGS } from './core/protocol.ts'
import type { DriverSettings } from './core/protocol.ts'

export { checkDriverSettings as checkAcross, DRIVER_SETTINGS } from '@tidemark/base'

export type ProcessSettings = Settings<typeof DRIVER_SETTINGS>

export const coreSettings = ({ heartbeatIntervalMs, heartbeatTimeoutMs, logSilenceMaxMs, reconnectGraceMs, releaseTimeoutMs }: ProcessSettings): DriverSettings =>
  ({ ...DEFAULT_SETTINGS, heartbeatIntervalMs, heartbeatTimeoutMs, logSilenceMaxMs, reconnectGraceMs, releaseTimeoutMs })
