// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// What a coordinator tells about its fleet: the same to the command line, to the dashboard and to the process it runs in.
package struct FleetStatus: Sendable, Hashable, Codable {
    package var program: String
    package var endpoint: String
    package var uptimeSeconds: Double
    /// What is wrong with the coordinator itself (a full disk, a checkpoint that cannot be written), one line each.
    ///
    /// Only filled in for observers in the coordinator's process.
    package var problems: [String] = []
    /// In the order of submission.
    package var studies: [Study] = []
    /// By name.
    package var workers: [Worker] = []

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
        package var trials: [Trial]

        /// The trial with the lowest loss; nil before the first evaluation.
        package var best: Trial? {
            trials.filter { $0.bestLoss != nil }.min { ($0.bestLoss ?? .infinity) < ($1.bestLoss ?? .infinity) }
        }
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
    }

    /// The study of this name or number.
    package func study(_ key: String) -> Study? {
        studies.first { $0.name == key } ?? studies.first { $0.id == key }
    }
}
