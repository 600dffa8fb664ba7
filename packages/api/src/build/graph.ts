// The graph that a job's builder fills: nodes and their functions, numbered in the order in which they were made.
import type { NodeFunctions } from '../plan/functions.ts'
import type { NodeId, PlanNode } from '../plan/plan.ts'

export class Graph {
  readonly #nodes: PlanNode[] = []
  readonly #functions = new Map<NodeId, NodeFunctions>()

  /** A node's input is made before it, so that inputs come before their readers. */
  add(node: (id: NodeId) => PlanNode, functions: NodeFunctions): NodeId {
    const id = `n${this.#nodes.length}`
    this.#nodes.push(node(id))
    this.#functions.set(id, functions)
    return id
  }

  get nodes(): readonly PlanNode[] {
    return structuredClone(this.#nodes)
  }

  get functions(): ReadonlyMap<NodeId, NodeFunctions> {
    return this.#functions
  }
}
