// SPDX-License-Identifier: Apache-2.0

package import Access
package import Coordination
package import Foundation
package import Logging
package import StableDiffusion
package import ZeroMQ

/// How a coordinator runs.
package struct CoordinatorOptions: Sendable {
    package var home: URL
    /// Where to listen; port 0 takes any free one.
    package var endpoint: Endpoint
    /// Where blobs are served; nil: the port behind the other one, or any free one.
    package var blobEndpoint: Endpoint?
    /// What join tokens say about where to find it; empty: where it listens.
    package var advertised: [Endpoint] = []
    /// Without keys, whoever reaches the port can give work and take it; only for loopback.
    package var usesKeys = true
    package var settings: CoordinationSettings
    /// The program with its version, for people.
    package var program: String
    package var logger: Logger
    /// Where this user's programs look for keys: they find this coordinator there; nil to leave it at the home.
    package var credentialStore: CredentialStore?
    /// The folder that a study's `model` means on this machine.
    package var locateModel: @Sendable (String) throws -> ModelFolder
    /// Gets the state of the fleet whenever it may have changed, on the coordinator's thread: it must not wait.
    ///
    /// A few times a second at most, and at once when a study ends.
    package var observer: (@Sendable (FleetStatus) -> Void)?
    /// Where others can reach a coordinator that listens there, as far as it knows: as many addresses as a join token takes.
    func reachable(listening endpoint: Endpoint) -> [Endpoint] {
        advertised.isEmpty ? HostAddresses.reachable(endpoint) : Array(advertised.prefix(JoinToken.mostEndpoints))
    }

    /// Hands work to the coordinator's thread.
    var post: @Sendable (@escaping @Sendable (inout CoordinatorHandler, inout LoopContext) -> Void) -> Void = { _ in }

    package init(
        home: URL, endpoint: Endpoint, settings: CoordinationSettings = CoordinationSettings(), program: String, logger: Logger,
        locateModel: @escaping @Sendable (String) throws -> ModelFolder = { try ModelFolder(path: $0) },
        observer: (@Sendable (FleetStatus) -> Void)? = nil
    ) {
        self.home = home
        self.endpoint = endpoint
        self.settings = settings
        self.program = program
        self.logger = logger
        self.locateModel = locateModel
        self.observer = observer
    }
}

/// What became of a submission.
package struct Submission: Sendable, Hashable {
    package var id: String
    package var name: String
    /// The same study was there before; nothing changed.
    package var isAlreadyThere: Bool
    /// How the study that was there has ended, such as `cancelled`; empty if it has not.
    package var ended: String

    package init(id: String, name: String, isAlreadyThere: Bool, ended: String = "") {
        self.id = id
        self.name = name
        self.isAlreadyThere = isAlreadyThere
        self.ended = ended
    }
}
