// SPDX-License-Identifier: Apache-2.0
private import Foundation

/// What `status --output json` says, as far as it matters here.
package struct FleetSighting: Equatable, Sendable {
    package let endpoint: String
    private let workers: [Worker]

    private struct Worker: Decodable, Equatable {
        let name: String
        let state: String
        let processId: Int?
    }

    private struct Status: Decodable {
        let endpoint: String
        let workers: [Worker]
    }

    package static func parse(_ json: [UInt8]) throws(HostsError) -> FleetSighting {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let status = try? decoder.decode(Status.self, from: Data(json)) else {
            throw HostsError("the coordinator's status is not readable; is this program of the coordinator's version?")
        }
        return FleetSighting(endpoint: status.endpoint, workers: status.workers)
    }

    /// Whether the coordinator has heard of just this process of a worker lately.
    package func hasSeen(_ name: String, process: Int) -> Bool {
        workers.contains { $0.name == name && $0.state != "lost" && ($0.processId ?? process) == process }
    }

    private init(endpoint: String, workers: [Worker]) {
        (self.endpoint, self.workers) = (endpoint, workers)
    }
}
