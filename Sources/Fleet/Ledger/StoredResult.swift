// SPDX-License-Identifier: Apache-2.0

import Foundation
import SwiftProtobuf
import WireMessages

extension WireSegmentResult {
    /// Reads a result back from the ledger.
    ///
    /// - Throws: `FleetError` `.storage` if the bytes are no result: the ledger is damaged.
    init(stored payload: Data) throws(FleetError) {
        guard let result = try? WireSegmentResult(serializedBytes: payload) else {
            throw FleetError(.storage, "the ledger is damaged: it holds a result that cannot be read; bring it back from a backup")
        }
        self = result
    }

    /// The bytes for the ledger.
    func stored() throws -> Data { try serializedData() }
}
