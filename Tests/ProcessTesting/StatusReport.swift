// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What `pseudoword status --output json` prints, as far as tests look at it.
package struct StatusReport: Decodable, Sendable {
    package struct Study: Decodable, Sendable {
        package let name: String, state: String, priority: Int, parallel: String, bestTrial: Int?, encodedParts: Int, encodeParts: Int
        package let counts: Counts
        package let trials: [Trial]
    }

    package struct Counts: Decodable, Sendable {
        package let all: Int, waiting: Int, running: Int, complete: Int, failed: Int, pruned: Int
    }

    package struct Trial: Decodable, Sendable {
        package let index: Int, state: String, step: Int, totalSteps: Int, attempt: Int, failure: String, checkpointPath: String
        package let workers: Int, bestLoss: Double?, parameters: [Parameter]
    }

    package struct Parameter: Decodable, Sendable {
        package let key: String, value: String
    }

    package struct Worker: Decodable, Sendable {
        package let id: String, name: String, processId: Int32, state: String, step: Int?, work: String, key: String
    }

    package let schemaVersion: Int
    package let endpoint: String
    package let problems: [String]
    package let studies: [Study]
    package let workers: [Worker]

    package init(_ outcome: Outcome) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(StatusReport.self, from: Data(outcome.output.utf8))
    }

    package var trial: Trial? { studies.first?.trials.first }
}
