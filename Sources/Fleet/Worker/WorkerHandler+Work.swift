// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Logging
import Synchronization
import WireMessages
import ZeroMQ

extension WorkerHandler {
    private static let keptBriefs = 64

    mutating func receive(_ frames: [Data], _ context: inout LoopContext) {
        let envelope: WireEnvelope
        do {
            envelope = try WireCodec.decode(frames, at: .peer)
        } catch {
            logger.warning("dropped a message of the coordinator: \(error)")
            return
        }
        if case .joined(var conversation) = phase {
            conversation.heard = context.now
            phase = .joined(conversation)
        }
        switch envelope.payload {
        case .welcome(let welcome): joined(welcome, &context)
        case .denied(let denied): wasDenied(denied, &context)
        case .trainGrant(let grant): take(grant, &context)
        case .sliceGrant(let grant): take(grant, &context)
        case .pieceGrant(let grant): take(grant, &context)
        case .briefReply(let reply): learn(reply, &context)
        case .cancelLease(let cancel): callOff(cancel)
        case .resultAck(let ack): acknowledged(ack.lease, verdict: ack.verdict, &context)
        case .failureAck(let ack): acknowledged(ack.lease, verdict: nil, &context)
        case .drain(let drain):
            if !isDraining { logger.notice("draining: \(drain.reason)") }
            isDraining = true
            leaveIfDrained(&context)
        case .goodbye(let goodbye):
            logger.notice("the coordinator says goodbye (\(goodbye.reason)); going on, and looking for it")
            phase = .apart(until: context.now + options.retry.lowerBound)
        case .errorReply(let reply): refused(reply, to: envelope.requestID, &context)
        default: break
        }
    }

    // MARK: - Grants

    private mutating func take(_ grant: WireTrainGrant, _ context: inout LoopContext) {
        do {
            let state = grant.hasState ? try TrainingState(grant.state) : nil
            logger.info("training steps \(grant.fromStep) to \(grant.toStep)", metadata: ["lease": "\(grant.lease.shown)"])
            take(
                grant.lease, grant.brief,
                .train(trial: Int(grant.lease.trial), fromStep: Int(grant.fromStep), toStep: Int(grant.toStep), state: state), &context)
        } catch {
            fail(grant.lease, .internal, "the grant cannot be read: \(error)", &context)
        }
        beat(&context)
    }

    private mutating func take(_ grant: WireSliceGrant, _ context: inout LoopContext) {
        do {
            let vectors = grant.hasVectors ? try VectorRows(grant.vectors) : nil
            for lease in grant.leases {
                let kind: SliceRequest.Kind = lease.kind == .gradient ? .gradient : .evaluate
                take(
                    lease, grant.brief,
                    .slice(kind, trial: Int(lease.trial), step: Int(lease.step), slice: Int(lease.index), vectors: vectors), &context)
            }
        } catch {
            for lease in grant.leases { fail(lease, .internal, "the grant cannot be read: \(error)", &context) }
        }
    }

    private mutating func take(_ grant: WirePieceGrant, _ context: inout LoopContext) {
        do {
            let task: Job.Task =
                grant.lease.kind == .encode ? .encode(part: Int(grant.lease.index)) : .preview(try VectorRows(grant.vectors))
            logger.info("working on \(grant.lease.shown)")
            take(grant.lease, grant.brief, task, &context)
        } catch {
            fail(grant.lease, .internal, "the grant cannot be read: \(error)", &context)
        }
        beat(&context)
    }

    private mutating func take(_ lease: WireLease, _ brief: Data, _ task: Job.Task, _ context: inout LoopContext) {
        if let index = held.firstIndex(where: { $0.lease.isForSameWork(as: lease) && $0.job?.isCancelled != true }) {
            if held[index].task.isSame(as: task), held[index].briefDigest == brief {
                // The same work under a newer attempt: what was computed so far is as good as ever.
                held[index].lease = lease
                return
            }
            // Other steps of the same trial: nobody needs the earlier ones any more.
            stop(held[index].lease)
        }
        var work = Held(lease: lease, briefDigest: brief, task: task)
        if let known = briefs[brief] {
            let job = Job(task, brief: known)
            work.job = job
            held.append(work)
            compute.submit(job)
        } else {
            held.append(work)
            askForBriefs(&context)
        }
    }

    private mutating func learn(_ reply: WireBriefReply, _ context: inout LoopContext) {
        do {
            let brief = try Brief(reply)
            if briefs.count >= Self.keptBriefs { briefs = [:] }
            briefs[brief.digest] = brief
            asked[brief.digest] = nil
            for index in held.indices where held[index].job == nil && held[index].briefDigest == brief.digest {
                let job = Job(held[index].task, brief: brief)
                held[index].job = job
                compute.submit(job)
            }
        } catch {
            logger.error("\(error)")
        }
    }

    private mutating func callOff(_ cancel: WireCancelLease) {
        let meant = held.map(\.lease).filter { $0.isForSameWork(as: cancel.lease) && $0.attempt <= cancel.lease.attempt }
        if !meant.isEmpty, !cancel.lease.isSlice { logger.info("stopping \(cancel.lease.shown): \(cancel.reason)") }
        meant.forEach { stop($0) }
    }

    /// Stops what is being computed, and drops what is not.
    private mutating func stop(_ lease: WireLease) {
        for work in held where work.lease == lease { work.job?.cancel() }
        held.removeAll { $0.lease == lease && $0.job == nil }
    }
}

extension WireLease {
    var isSlice: Bool { kind == .gradient || kind == .evaluate }

    func isForSameWork(as other: WireLease) -> Bool {
        (kind, study, trial, step, index) == (other.kind, other.study, other.trial, other.step, other.index)
    }

    var shown: String { LeaseID(self)?.description ?? "a lease" }

    /// Not the attempt: a result is as good under any.
    var fileName: String { "\(kind)-\(study)-\(trial)-\(step)-\(index)-\(attempt)" }
}

extension VectorRows {
    init(_ wire: WireVectors) throws(WireError) {
        self.init(count: Int(wire.count), width: Int(wire.width), values: try wire.floats())
    }
}
