// SPDX-License-Identifier: Apache-2.0

/// The workers that shall run on a box, and with what of it.
package struct WorkerPlan: Equatable, Sendable {
    /// `NAME-1`, `NAME-2` and so on.
    package let names: [String]
    /// Of each worker; nil: all processors that it may use.
    package let threads: Int?
    /// NUMA nodes that the workers go to in turn; empty: they run anywhere.
    private let nodes: [ProcessorNode]

    /// A worker for each NUMA node unless the hosts file says how many.
    ///
    /// They stay on nodes of their own when they share out evenly and fit there with their threads.
    ///
    /// - Parameter threads: for a line of the hosts file that does not say.
    package init(_ entry: HostEntry, on box: BoxReport, threads: Int?) {
        let given = entry.threads ?? threads
        func places(_ workers: Int) -> [ProcessorNode] {
            ProcessorNode.places(box.nodes, workers: workers, threads: given ?? max(1, box.processors / max(1, workers)))
        }
        let count = entry.workers ?? (places(box.nodes.count).isEmpty ? 1 : box.nodes.count)
        names = (1...count).map { "\(entry.name)-\($0)" }
        nodes = places(count)
        // Alone on the box or on a node, a worker takes all that is there.
        let share = count > max(1, nodes.count) ? max(1, box.processors / count) : nil
        self.threads = given ?? share
    }

    /// The node of the worker at `index`.
    package func node(_ index: Int) -> Int? { nodes.isEmpty ? nil : nodes[index % nodes.count].number }
}
