// SPDX-License-Identifier: Apache-2.0
private import Foundation

/// A NUMA node: processors that have a part of the machine's memory next to them.
///
/// A worker that stays on one node reads what it wrote from memory nearby, for Linux gives a page the memory of the node that writes it first.
package struct ProcessorNode: Equatable, Sendable {
    /// The kernel's number.
    package let number: Int
    package let processors: [Int]

    /// The nodes of this machine that have processors; just one, or none, where memory is the same for all.
    package static var all: [ProcessorNode] {
        all { try? String(contentsOfFile: "/sys/devices/system/node/" + $0, encoding: .utf8) }
    }

    /// - Parameter read: a file below `/sys/devices/system/node`.
    package static func all(read: (String) -> String?) -> [ProcessorNode] {
        list(read("online") ?? "").compactMap { number in
            let processors = list(read("node\(number)/cpulist") ?? "")
            return processors.isEmpty ? nil : ProcessorNode(number: number, processors: processors)
        }
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
