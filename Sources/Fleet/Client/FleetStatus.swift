// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// What a coordinator tells about its fleet: the same to the command line, to the dashboard and to the process it runs in.
package struct FleetStatus: Sendable, Hashable, Codable {
    package var program: String
    package var endpoint: String
    package var uptimeSeconds: Double
    /// What is wrong with the coordinator itself (a full disk, a checkpoint that cannot be written), one line each.
    package var problems: [String] = []
    /// Trials that wait for a worker.
    package var waitingTrials = 0
    /// Blobs on their way, and how fast they go.
    package var transfers = 0
    package var transferBytesPerSecond = 0
    /// In the order of submission.
    package var studies: [Study] = []
    /// By name.
    package var workers: [Worker] = []
    /// Workers for which a message had no room.
    package var workersLeftOut = 0

    package enum StudyState: String, Sendable, Hashable, Codable {
        case waiting, running, paused, complete, failed, cancelled

        /// Nothing will change any more.
        package var isTerminal: Bool { self == .complete || self == .failed || self == .cancelled }
    }

    package enum TrialState: String, Sendable, Hashable, Codable {
        case waiting, running, paused, complete, pruned, failed, cancelled
    }

    package enum WorkerState: String, Sendable, Hashable, Codable {
        case idle, busy, stalled, suspect, lost, draining
    }

    package struct Study: Sendable, Hashable, Codable {
        package var id: String
        package var name: String
        package var state: StudyState
        package var created: Date
        /// All of them, or those that matter now: see `trialCount`.
        package var trials: [Trial]
        package var priority = 0
        package var counts = Counts()
        /// The index of the trial with the lowest evaluation loss; nil before the first evaluation.
        package var bestTrial: Int?
        package var encodedParts = 0
        package var encodeParts = 0
        package var failure = ""
        package var remainingSeconds: Double?
        package var parallel = "trials"
        package var stepsDone = 0.0
        package var stepsTotal = 0.0
        /// The first trial for which a message had no room; nil if all that were asked for are here.
        package var nextTrial: Int?

        /// The trial with the lowest evaluation loss, if it is among those listed.
        package var best: Trial? { bestTrial.flatMap { index in trials.first { $0.index == index } } }

        /// Trials with a loss first, best on top; the others in order.
        package var ranked: [Trial] {
            trials.sorted { left, right in
                (left.bestLoss ?? .infinity, left.index) < (right.bestLoss ?? .infinity, right.index)
            }
        }
    }

    /// Trials by state.
    package struct Counts: Sendable, Hashable, Codable {
        package var all = 0
        package var waiting = 0
        package var running = 0
        package var complete = 0
        package var failed = 0
        package var pruned = 0
    }

    /// A setting that the search chose.
    package struct Parameter: Sendable, Hashable, Codable {
        package var key: String
        package var value: String
    }

    package struct Trial: Sendable, Hashable, Codable {
        package var index: Int
        package var state: TrialState
        package var step: Int
        package var totalSteps: Int
        package var loss: Double?
        package var evaluationLoss: Double?
        package var bestLoss: Double?
        package var bestStep: Int?
        package var stepsPerSecond: Double?
        package var remainingSeconds: Double?
        /// The name of the worker that holds it; empty when none does.
        package var worker: String
        package var attempt: Int
        /// Why it failed, or what is wrong with it.
        package var failure: String
        /// Empty before the first checkpoint.
        package var checkpointPath: String
        /// How many workers share its steps.
        package var workers = 0
        package var parameters: [Parameter] = []
        package var numericsClass = ""
    }

    package struct Worker: Sendable, Hashable, Codable {
        package var id: String
        package var name: String
        package var host: String
        package var processID: Int
        package var state: WorkerState
        package var study: String
        package var trial: Int?
        package var step: Int?
        package var stepsPerSecond: Double?
        package var silenceSeconds: Double
        package var threads: Int
        package var cpu: String
        package var program: String
        /// What it holds, such as `train`, `gradient`, `encode`; empty when nothing.
        package var work = ""
        package var numericsClass = ""
        package var key = ""
        package var accepted = 0
        package var alarms = 0
        /// What it does before it can compute.
        package var preparing = ""
        package var memoryBytes: UInt64 = 0
    }

    /// The study of this name or number.
    package func study(_ key: String) -> Study? {
        studies.first { $0.name == key } ?? studies.first { $0.id == key }
    }
}
