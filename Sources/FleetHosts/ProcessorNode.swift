// SPDX-License-Identifier: Apache-2.0
private import Foundation

/// A NUMA node: processors that have a part of the machine's memory next to them.
///
/// A worker that stays on one node reads what it wrote from memory nearby, for Linux gives a page the memory of the node that writes it first.
package struct ProcessorNode: Equatable, Sendable {
    /// The kernel's number.
    package let number: Int
    package let processors: [Int]

    /// The nodes of this machine with the processors that this process may run on (taskset, control groups); none where the kernel says
    /// nothing of nodes.
    package static var available: [ProcessorNode] {
        available { try? String(contentsOfFile: $0, encoding: .utf8) }
    }

    /// - Parameter read: a file of the kernel's.
    package static func available(read: (String) -> String?) -> [ProcessorNode] {
        let folder = "/sys/devices/system/node/"
        let nodes = list(read(folder + "online") ?? "").map { (number: $0, list: read("\(folder)node\($0)/cpulist") ?? "") }
        let line = (read("/proc/self/status") ?? "").split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
        return usable(nodes, allowed: line.map(String.init) ?? "")
    }

    /// - Parameters:
    ///   - nodes: numbers and lists of processors.
    ///   - allowed: the line `Cpus_allowed_list:` of `/proc/PID/status`; no limit without one.
    static func usable(_ nodes: [(number: Int, list: String)], allowed: String) -> [ProcessorNode] {
        let allowed = Set(list(String(allowed.drop { $0 != ":" }.dropFirst())))
        return nodes.sorted { $0.number < $1.number }.compactMap { node in
            let processors = list(node.list).filter { allowed.isEmpty || allowed.contains($0) }
            return processors.isEmpty ? nil : ProcessorNode(number: node.number, processors: processors)
        }
    }

    /// The nodes that `workers` workers go to in turn; empty when they run anywhere, because there is one node only, they do not share the nodes
    /// evenly, or their threads would crowd one.
    package static func places(_ nodes: [ProcessorNode], workers: Int, threads: Int) -> [ProcessorNode] {
        guard nodes.count > 1, workers % nodes.count == 0 else { return [] }
        let crowd = threads * (workers / nodes.count)
        return nodes.allSatisfy { crowd <= $0.processors.count } ? nodes : []
    }

    /// The numbers of the kernel's lists, such as `0-3,8-11`; none of a text that is no such list.
    static func list(_ text: String) -> [Int] {
        var numbers: [Int] = []
        for part in text.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: ",") {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first >= 0, last >= first,
                last < 1 << 16
            else { return [] }
            numbers += first...last
        }
        return numbers
    }
}
