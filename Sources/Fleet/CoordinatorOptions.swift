// SPDX-License-Identifier: Apache-2.0

package import Coordination
package import Foundation
package import Logging
package import ZeroMQ

/// How a coordinator runs.
package struct CoordinatorOptions: Sendable {
    package var home: URL
    /// Where to listen; port 0 takes any free one.
    package var endpoint: Endpoint
    package var settings: CoordinationSettings
    /// The program with its version, for people.
    package var program: String
    package var logger: Logger
    /// Gets the state of the fleet whenever it may have changed, on the coordinator's thread: it must not wait.
    ///
    /// A few times a second at most, and at once when a study ends.
    package var observer: (@Sendable (FleetStatus) -> Void)?

    package init(
        home: URL, endpoint: Endpoint, settings: CoordinationSettings = CoordinationSettings(), program: String, logger: Logger,
        observer: (@Sendable (FleetStatus) -> Void)? = nil
    ) {
        self.home = home
        self.endpoint = endpoint
        self.settings = settings
        self.program = program
        self.logger = logger
        self.observer = observer
    }
}

/// What became of a submission.
package struct Submission: Sendable, Hashable {
    package var id: String
    package var name: String
    /// The same study was there before; nothing changed.
    package var isAlreadyThere: Bool

    package init(id: String, name: String, isAlreadyThere: Bool) {
        self.id = id
        self.name = name
        self.isAlreadyThere = isAlreadyThere
    }
}

/// What became of a cancellation.
package struct Cancellation: Sendable, Hashable {
    package var id: String
    package var name: String
    /// It had ended before; nothing changed.
    package var hadEnded: Bool
    /// Trials that were waiting or running.
    package var cancelledTrials: Int

    package init(id: String, name: String, hadEnded: Bool, cancelledTrials: Int) {
        self.id = id
        self.name = name
        self.hadEnded = hadEnded
        self.cancelledTrials = cancelledTrials
    }
}
