// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import WireMessages
import ZeroMQ

/// What one turn of the coordinator's loop wants to say.
///
/// Nothing goes out before the ledger has committed what the turn changed, so nobody is ever told of something that a crash could undo.
struct Turn {
    struct Message {
        let peer: PeerID
        let payload: WireEnvelope.OneOf_Payload
        let requestID: UInt64
        /// In the form of protocol 1, for a program that speaks no other.
        var isForOlder = false
    }

    private(set) var messages: [Message] = []
    /// For `pseudoword logs`.
    var entries: [LogEntry] = []
    /// Results that the checkpoint files do not show yet.
    var accepted: [AcceptedSegment] = []
    /// Trials that have ended: their histories are needed no more once their last files are written.
    var ended: [TrialID] = []
    /// Previews that are not yet beside their trials' checkpoints.
    var previews: [AcceptedPreview] = []
    /// What the disk said to one of the turn's writes: the whole turn is undone.
    var failure: FleetError?

    mutating func say(_ payload: WireEnvelope.OneOf_Payload, to peer: PeerID, requestID: UInt64 = 0, isForOlder: Bool = false) {
        // Slices of one step to one worker travel together: they share the vectors.
        if case .sliceGrant(let grant) = payload, let last = messages.indices.last, messages[last].peer == peer,
            case .sliceGrant(var open) = messages[last].payload, open.brief == grant.brief, open.leases[0].isOfOneStep(as: grant.leases[0]),
            open.leases.count + grant.leases.count <= WireLimits.leases
        {
            open.leases += grant.leases
            messages[last] = Message(peer: peer, payload: .sliceGrant(open), requestID: 0)
            return
        }
        messages.append(Message(peer: peer, payload: payload, requestID: requestID, isForOlder: isForOlder))
    }

    mutating func takeMessages() -> [Message] {
        defer { messages = [] }
        return messages
    }
}

/// A segment on its way to a checkpoint file.
struct AcceptedSegment: Sendable {
    let result: WireSegmentResult
    let trial: TrialID
    let study: StudyRow
}

/// A preview on its way to a file that people find.
struct AcceptedPreview: Sendable {
    let trial: TrialID
    let step: Int
    let digest: String
    let study: String
}

extension WireLease {
    fileprivate func isOfOneStep(as other: WireLease) -> Bool {
        (kind, study, trial, step) == (other.kind, other.study, other.trial, other.step)
    }
}
