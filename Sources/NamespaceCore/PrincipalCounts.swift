/// How many there are of something for each principal; one that has none takes no room.
struct PrincipalCounts {
    private var counts: [String: Int] = [:]

    subscript(_ principal: String) -> Int { counts[principal] ?? 0 }

    mutating func add(_ count: Int, for principal: String) {
        guard count > 0 else { return }
        counts[principal, default: 0] += count
    }

    mutating func remove(_ count: Int, for principal: String) {
        guard count > 0, let place = counts.index(forKey: principal) else { return }
        counts.values[place] -= count
        if counts.values[place] <= 0 { counts.remove(at: place) }
    }
}
