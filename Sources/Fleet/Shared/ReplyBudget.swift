// SPDX-License-Identifier: Apache-2.0

import WireMessages

/// The room that is left in a reply: rows are put in until it is full.
///
/// Costs are estimated from above, so that what fits here fits into a message.
struct ReplyBudget {
    struct Cost {
        /// Length-delimited fields, as the parser counts them.
        var elements: Int
        var bytes: Int
    }

    private static let reserve = 64 << 10
    private static let all = Cost(elements: WireLimits.elements - 2000, bytes: WireKind.statusReply.maximumBytes - reserve)

    private var left = Self.all

    /// - Parameter share: of the whole room, what has to be left for others.
    /// - Returns: whether there was room.
    mutating func take(_ cost: Cost, leaving share: Double = 0) -> Bool {
        let (elements, bytes) = (left.elements - cost.elements, left.bytes - cost.bytes)
        guard Double(elements) >= share * Double(Self.all.elements), Double(bytes) >= share * Double(Self.all.bytes) else { return false }
        left = Cost(elements: elements, bytes: bytes)
        return true
    }

    /// The newest of these entries that fit into one message, oldest first.
    static func newest(_ entries: [WireLogEntry]) -> [WireLogEntry] {
        var room = WireKind.logReply.maximumBytes - reserve
        let fitting = entries.reversed().prefix { entry in
            room -= 64 + entry.kind.utf8.count + entry.study.utf8.count + entry.worker.utf8.count + entry.text.utf8.count
            return room >= 0
        }
        return fitting.reversed()
    }
}

extension WireTrialStatus {
    var cost: ReplyBudget.Cost {
        let texts = [worker, failure, checkpointPath, numericsClass].reduce(0) { $0 + $1.utf8.count }
        let parameters = parameters.reduce(0) { $0 + 16 + $1.key.utf8.count + $1.value.utf8.count }
        return ReplyBudget.Cost(elements: 6 + self.parameters.count, bytes: 160 + texts + parameters)
    }
}

extension WireWorkerStatus {
    var cost: ReplyBudget.Cost {
        let texts = [workerID, name, host, cpu, programVersion, study, work, numericsClass, key, preparing].reduce(0) { $0 + $1.utf8.count }
        // Text may look like a message to a parser that has not read it yet.
        return ReplyBudget.Cost(elements: 16, bytes: 160 + texts)
    }
}
