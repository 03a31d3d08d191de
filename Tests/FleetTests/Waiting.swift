// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Fleet

extension CoordinatorService {
    /// Submits a study whose pictures nobody reads.
    @discardableResult
    func submit(_ study: FakeStudy = FakeStudy()) async throws -> Submission {
        try await submit(yaml: study.yaml, baseFolder: "/tmp", source: "study.yaml", readsPaths: true)
    }

    /// Submits a study with the pictures of a bench.
    @discardableResult
    func submit(_ study: FakeStudy, picturesOf bench: Bench) async throws -> Submission {
        try await submit(yaml: study.yaml, baseFolder: bench.folder.path, source: "study.yaml")
    }

    /// Waits until the status fulfils a condition, and fails the test if it never does.
    @discardableResult
    func wait(
        _ what: String, seconds: Double = 15, sourceLocation: SourceLocation = #_sourceLocation, until isFulfilled: (FleetStatus) -> Bool
    ) async throws -> FleetStatus {
        let end = ContinuousClock.now + .milliseconds(Int64(seconds * 1000))
        while ContinuousClock.now < end {
            let status = status()
            if isFulfilled(status) { return status }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("waited in vain until \(what): \(status())", sourceLocation: sourceLocation)
        throw CancellationError()
    }

    @discardableResult
    func waitUntilEnded(
        _ study: String = "teal-heart", seconds: Double = 20, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> FleetStatus.Study {
        let status = try await wait("\(study) has ended", seconds: seconds, sourceLocation: sourceLocation) {
            $0.study(study)?.state.isTerminal ?? false
        }
        return try #require(status.study(study))
    }
}

extension FleetStatus {
    /// The first trial of the first study.
    var trial: Trial? { studies.first?.trials.first }
}
