// SPDX-License-Identifier: Apache-2.0

import WireMessages

/// What an admin can tell a coordinator.
package enum FleetCommandKind: String, Sendable, Hashable {
    case cancel, pause, resume, prioritize
    /// A worker: it finishes what it has, and leaves.
    case drain
}

/// What became of a command.
package struct CommandOutcome: Sendable, Hashable {
    /// Of the study or worker that was meant.
    package var id: String
    package var name: String
    /// It was so before; nothing changed.
    package var wasSo: Bool
    /// Trials, or leases of the worker, that this concerns.
    package var count: Int

    init(_ wire: WireCommandReply) {
        id = wire.id
        name = wire.name
        wasSo = wire.wasSo
        count = Int(wire.count)
    }
}

extension WireCommand {
    init(_ kind: FleetCommandKind, _ target: String, trial: Int?, priority: Int) {
        self.init()
        self.kind =
            switch kind {
            case .cancel: .cancel
            case .pause: .pause
            case .resume: .resume
            case .prioritize: .prioritize
            case .drain: .drain
            }
        self.target = target
        if let trial { self.trial = UInt32(clamping: trial) }
        self.priority = Int32(clamping: priority)
    }
}
