//! What a solver answers: which site serves which share of which item.

/// A site and the share of an item that it serves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Portion {
    /// The site.
    pub site: u32,
    /// More than 0, at most 1.
    pub share: f64,
}

/// For each item who serves it. What the shares of an item lack of 1 is unserved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    /// For each item its portions, in the order of their sites.
    pub portions: Vec<Vec<Portion>>,
}

impl Assignment {
    /// Every item whole at a site, or unserved.
    pub fn whole(sites: &[Option<u32>]) -> Assignment {
        let portion =
            |site: &Option<u32>| site.map(|site| Portion { site, share: 1.0 }).into_iter().collect();
        Assignment { portions: sites.iter().map(portion).collect() }
    }

    /// The site that serves an item whole.
    pub fn site(&self, item: usize) -> Option<u32> {
        match self.portions.get(item).map(Vec::as_slice) {
            Some([Portion { site, share }]) if *share >= 1.0 - 1e-9 => Some(*site),
            _ => None,
        }
    }

    /// The share of an item that nobody serves.
    pub fn unserved(&self, item: usize) -> f64 {
        let served: f64 = self.portions[item].iter().map(|portion| portion.share).sum();
        (1.0 - served).max(0.0)
    }

    /// How many items are served elsewhere than in another assignment, counted in shares of items: half of an item that goes
    /// elsewhere is half a move. What was unserved before is no move, and neither is what is left unserved: that is priced.
    pub fn moves_from(&self, before: &Assignment) -> f64 {
        let moved = |(now, before): (&Vec<Portion>, &Vec<Portion>)| -> f64 {
            let kept = |site: u32| {
                now.iter().find(|portion| portion.site == site).map_or(0.0, |portion| portion.share)
            };
            let lost: f64 = before.iter().map(|portion| (portion.share - kept(portion.site)).max(0.0)).sum();
            let had = |site: u32| {
                before.iter().find(|portion| portion.site == site).map_or(0.0, |portion| portion.share)
            };
            let gained: f64 = now.iter().map(|portion| (portion.share - had(portion.site)).max(0.0)).sum();
            lost.min(gained)
        };
        self.portions.iter().zip(&before.portions).map(moved).sum()
    }
}
