// `npm run pack -- [folder]`: the one package `tidemark`, compiled and packed as a tarball, into dist/ unless told otherwise.
import { resolve } from 'node:path'
import { pack } from './pack.ts'

const tarball = await pack(resolve(process.argv[2] ?? 'dist'))
console.log(tarball)
