// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// What `pseudoword status --output json` prints, as far as tests look at it.
package struct StatusReport: Decodable, Sendable {
    package struct Study: Decodable, Sendable {
        package let name: String, state: String
        package let trials: [Trial]
    }

    package struct Trial: Decodable, Sendable {
        package let state: String, step: Int, total_steps: Int, attempt: Int, failure: String, checkpoint_path: String
    }

    package struct Worker: Decodable, Sendable {
        package let name: String, process_id: Int32, state: String, step: Int?
    }

    package let endpoint: String
    package let studies: [Study]
    package let workers: [Worker]

    package init(_ outcome: Outcome) throws { self = try JSONDecoder().decode(StatusReport.self, from: Data(outcome.output.utf8)) }

    package var trial: Trial? { studies.first?.trials.first }
}
