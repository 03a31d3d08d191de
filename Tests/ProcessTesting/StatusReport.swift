// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What `pseudoword status --output json` prints, as far as tests look at it.
package struct StatusReport: Decodable, Sendable {
    package struct Study: Decodable, Sendable {
        package let name: String, state: String
        package let trials: [Trial]
    }

    package struct Trial: Decodable, Sendable {
        package let state: String, step: Int, totalSteps: Int, attempt: Int, failure: String, checkpointPath: String
    }

    package struct Worker: Decodable, Sendable {
        package let name: String, processId: Int32, state: String, step: Int?
    }

    package let endpoint: String
    package let studies: [Study]
    package let workers: [Worker]

    package init(_ outcome: Outcome) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(StatusReport.self, from: Data(outcome.output.utf8))
    }

    package var trial: Trial? { studies.first?.trials.first }
}
