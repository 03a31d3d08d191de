// SPDX-License-Identifier: Apache-2.0

import Coordination

/// What worker processes do.
extension Simulator {
    mutating func birth(_ numericsClass: String, box: String) {
        let number = workers.count
        let id = WorkerID("w\(number)")
        workers.append(VirtualWorker(id: id, box: box, numericsClass: numericsClass, pace: Int64(50 + random.below(400))))
        numbers[id] = number
        connect(number)
        agenda.add(.heartbeat(worker: number), at: now + settings.heartbeat.wholeMilliseconds)
    }

    mutating func connect(_ worker: Int) {
        guard workers[worker].isAlive else { return }
        workers[worker].isConnected = owner != nil
        workers[worker].isWelcome = false
        greet(worker)
    }

    private mutating func greet(_ worker: Int) {
        send(.hello, from: worker)
        send(.heartbeat(workers[worker].holding), from: worker)
        resend(worker)
    }

    mutating func heartbeat(_ worker: Int) {
        guard workers[worker].isAlive else { return }
        agenda.add(.heartbeat(worker: worker), at: now + settings.heartbeat.wholeMilliseconds)
        guard now >= workers[worker].stalledUntil, workers[worker].isConnected else { return }
        guard workers[worker].isWelcome else { return greet(worker) }
        if workers[worker].isLeaving, workers[worker].tasks.isEmpty { return leave(worker) }
        send(.heartbeat(workers[worker].holding), from: worker)
        resend(worker)
    }

    private mutating func leave(_ worker: Int) {
        send(.goodbye, from: worker)
        bury(worker)
    }

    /// The process ends; another one starts in its place.
    mutating func bury(_ worker: Int) {
        workers[worker].isAlive = false
        workers[worker].tasks = []
        let birth = Happening.birth(numericsClass: workers[worker].numericsClass, box: workers[worker].box)
        agenda.add(birth, at: now + Int64(500 + random.below(isCalm ? 500 : 15_000)))
    }

    mutating func receive(_ order: Order, _ worker: Int) {
        guard workers[worker].isAlive else { return }
        if now < workers[worker].stalledUntil { return agenda.add(.order(to: worker, order), at: workers[worker].stalledUntil) }
        switch order {
        case .welcome: workers[worker].isWelcome = true
        case .sayHello: greet(worker)
        case .grant(let grant, let state): workers[worker].take(grant, state: state)
        case .cancel(let lease), .acknowledge(let lease): workers[worker].drop(lease)
        case .drain: workers[worker].isLeaving = true
        }
        proceed(worker)
    }

    /// Begins the next piece of work, if there is one and nothing else is being computed.
    private mutating func proceed(_ worker: Int) {
        guard let current = workers[worker].current, workers[worker].tasks[current].started == nil else { return }
        let task = workers[worker].tasks[current]
        guard let study = studies[task.grant.lease.work.study] else { return }
        workers[worker].tasks[current].started = now
        agenda.add(.done(worker: worker, task: task.number), at: now + workers[worker].duration(of: task.grant, study))
    }

    mutating func finish(_ number: Int, _ worker: Int) {
        guard workers[worker].isAlive, let place = workers[worker].tasks.firstIndex(where: { $0.number == number }) else { return }
        if now < workers[worker].stalledUntil {
            return agenda.add(.done(worker: worker, task: number), at: workers[worker].stalledUntil)
        }
        let task = workers[worker].tasks[place]
        guard task.result == nil, let study = studies[task.grant.lease.work.study] else { return }
        if !isCalm, options.faults.contains(.failure), random.oneIn(40) {
            note(.failure)
            workers[worker].tasks.remove(at: place)
            let kinds: [FailureKind] = [.internal, .internal, .cancelled, .unable]
            send(.failed(task.grant.lease, kinds[random.below(kinds.count)]), from: worker)
        } else {
            let result = workers[worker].result(of: task, study)
            if task.grant.lease.work.isSlice {
                workers[worker].tasks.remove(at: place)
            } else {
                workers[worker].tasks[place].result = result
                workers[worker].tasks[place].sent = now
            }
            send(result, from: worker)
        }
        proceed(worker)
    }

    /// Results that nobody acknowledged are sent again.
    private mutating func resend(_ worker: Int) {
        for place in workers[worker].tasks.indices {
            guard let result = workers[worker].tasks[place].result, now - workers[worker].tasks[place].sent > 3000 else { continue }
            workers[worker].tasks[place].sent = now
            send(result, from: worker)
        }
    }
}
