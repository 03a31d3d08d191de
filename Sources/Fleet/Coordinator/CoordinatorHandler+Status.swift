// SPDX-License-Identifier: Apache-2.0

import Access
import Coordination
import Foundation
import WireMessages
import ZeroMQ

extension CoordinatorHandler {
    /// Studies with more trials than this show only those that matter now.
    private static let listedTrials = 20

    /// The state of the fleet, or of it and one study.
    ///
    /// - Parameter first: of the trials only those from this index on.
    func status(of study: StudyID? = nil, allTrials: Bool = false, from first: Int = 0, now: ContinuousClock.Instant) -> FleetStatus {
        let snapshot = coordinator.snapshot(now: Instant(now), study: study)
        let names = Dictionary(uniqueKeysWithValues: snapshot.workers.map { ($0.id, $0.about.name) })
        let transfers = blobs.transfers
        let behind = checkpoints.behind
        return FleetStatus(
            program: options.program, endpoint: endpoint.description, uptimeSeconds: (now - started).inSeconds,
            problems: (storageProblem.map { [$0] } ?? []) + checkpoints.problems + shownAccessProblems,
            waitingTrials: coordinator.waitingTrials, transfers: transfers.count,
            transferBytesPerSecond: transfers.bytesPerSecond,
            studies: snapshot.studies.map {
                self.study($0, names: names, allTrials: allTrials || study != nil, from: first, behind: behind)
            },
            workers: snapshot.workers.map(worker))
    }

    /// A status as a message: as much as fits.
    func statusReply(to request: WireStatusRequest, of study: StudyID?, now: ContinuousClock.Instant) -> WireStatusReply {
        let status = status(of: study, allTrials: request.allTrials, from: study == nil ? 0 : Int(request.fromTrial), now: now)
        return status.wire(listsAll: study != nil || request.allTrials)
    }

    /// - Parameter behind: trials whose files are not written yet.
    private func study(
        _ study: Snapshot.Study, names: [WorkerID: String], allTrials: Bool, from first: Int, behind: Set<TrialID>
    ) -> FleetStatus.Study {
        let shown =
            allTrials || study.trials.count <= Self.listedTrials
            ? Array(study.trials.dropFirst(first))
            : study.trials.filter { $0.state == .running || $0.id == study.bestTrial || $0.alarms > 0 }.prefix(500).map { $0 }
        var answer = FleetStatus.Study(study, created: studies[study.id]?.created ?? 0, trials: shown, names: names) { trial in
            let known = checkpoints[trial]
            return FleetStatus.Trial.Details(
                evaluationLoss: known.evaluationLoss, checkpointPath: known.path, problem: known.problem,
                parameters: parameters(of: trial))
        }
        // Whoever reads that something is complete may open its files.
        if behind.isEmpty { return answer }
        if answer.state == .complete, behind.contains(where: { $0.study == study.id }) { answer.state = .running }
        for index in answer.trials.indices where answer.trials[index].state == .complete {
            if behind.contains(TrialID(study: study.id, index: answer.trials[index].index)) { answer.trials[index].state = .running }
        }
        return answer
    }

    private func worker(_ worker: Snapshot.Worker) -> FleetStatus.Worker {
        let work = worker.leases.min()?.work
        let peer = sessions.peer(of: worker.id)
        let session = peer.flatMap { sessions[$0] }
        return FleetStatus.Worker(
            worker, study: work.flatMap { studies[$0.study]?.plan.name } ?? "", work: work, key: peer?.key?.short ?? "",
            preparing: session?.preparing ?? "", memoryBytes: session?.memoryBytes ?? 0)
    }

    private func parameters(of trial: TrialID) -> [FleetStatus.Parameter] {
        guard let study = studies[trial.study], study.plan.trialCount > 1 else { return [] }
        return StudySettings.parameters(of: trial.index, json: study.json)
    }
}
