// The crash matrix with no server at all.
import { crashMatrix } from './crash-matrix.ts'

crashMatrix('embedded log, copartitioned', () => ({}), { copartitioned: true, hasOpenTransactions: false })
crashMatrix('embedded log, with a shuffle and an idle input partition', () => ({}), { copartitioned: false, hasOpenTransactions: false, idlePartitions: [3] })
